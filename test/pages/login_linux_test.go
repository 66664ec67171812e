package pages_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/test/credentials/testbus"
)

// TestLogin is how a person begins, with the real programs: a fresh service, its set-up link, a sign-in with the page that
// keyfob prints, and out again.
func TestLogin(t *testing.T) {
	t.Parallel()
	c := startChromium(t, newFront(t))
	bin := programs(t)
	for _, place := range []struct {
		name   string
		start  func(*testing.T) machine
		login  []string
		kind   string // of the status
		onDisk bool   // as it is
	}{
		{"gnome-keyring", withKeyring, nil, "keyring", false},
		{"plain file", withoutKeyring, []string{"--insecure-storage"}, "plain", true},
	} {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			m := place.start(t)
			m.bin = bin
			s := m.serve(t)
			m.setUp(t, c, s)
			m.login(t, c, s, place.login...)
			m.expectStatus(t, s, place.kind)

			token := strings.TrimSpace(m.keyfob(t, 0, "auth", "token"))
			if status := s.session(t, token); status != http.StatusOK {
				t.Fatalf("the session is answered %d", status)
			}
			if found := onDisk(t, m.home, token); (len(found) == 1) != place.onDisk || len(found) > 1 {
				t.Errorf("the session is in the files %q", found)
			}
			m.keyfob(t, 0, "auth", "logout")
			if status := s.session(t, token); status != http.StatusUnauthorized {
				t.Errorf("after logout the session is answered %d, want 401", status)
			}
			m.keyfob(t, 4, "auth", "status", "-q")
			if found := onDisk(t, m.home, token); len(found) != 0 {
				t.Errorf("after logout the session is in the files %q", found)
			}
		})
	}
}

// programs builds keyfob and keyfobd.
func programs(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "../../cmd/keyfob", "../../cmd/keyfobd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// machine is where a person works: a home and an environment.
type machine struct {
	bin, home string
	env       []string
}

func withKeyring(t *testing.T) machine {
	t.Helper()
	bus := testbus.New(t)
	bus.GnomeKeyring(t, "--unlock")
	return machine{home: bus.Home, env: bus.Env()}
}

func withoutKeyring(t *testing.T) machine {
	t.Helper()
	home := t.TempDir()
	return machine{home: home, env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}}
}

func (m machine) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(m.bin, program), args...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = m.home, m.env, time.Second
	return cmd
}

// keyfob runs a command, which must end with the exit code, and returns what it printed.
func (m machine) keyfob(t *testing.T, exit int, args ...string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), stepTimeout)
	defer stop()
	cmd := m.command(ctx, "keyfob", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != exit {
		t.Fatalf("keyfob %v: exit code %d, want %d\n%s", args, got, exit, stderr.String())
	}
	return string(out)
}

// running is a service that keyfobd runs.
type running struct{ url, setUp string }

// serve starts a service without any account. Its data lies beside the home of who signs in.
func (m machine) serve(t *testing.T) running {
	t.Helper()
	cmd := m.command(t.Context(), "keyfobd", "serve", "-o", "json", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir())
	out, err := cmd.StdoutPipe()
	noError(t, err)
	testbus.Start(t, cmd)
	var ready struct {
		Service struct {
			URL      string `json:"url"`
			SetUpURL string `json:"setup_url"`
		} `json:"service"`
	}
	read := make(chan error, 1)
	go func() { read <- json.NewDecoder(out).Decode(&ready) }()
	select {
	case err = <-read:
	case <-time.After(stepTimeout):
		err = errors.New("keyfobd said nothing")
	}
	noError(t, err)
	return running{ready.Service.URL, ready.Service.SetUpURL}
}

// session asks the service about a session and returns the status of its answer.
func (s running) session(t *testing.T, token string) int {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), stepTimeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/session", http.NoBody)
	noError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req)
	noError(t, err)
	noError(t, res.Body.Close())
	return res.StatusCode
}

// setUp makes the first account by the link that the service printed.
func (machine) setUp(t *testing.T, c *chromium, s running) {
	t.Helper()
	b := c.tab(t, &service{url: s.url})
	b.leads(200, "Set up Keyfob", chromedp.Navigate(s.setUp))
	b.fill("org_name", "Acme, Inc.", "org_slug", "acme", "name", "Ada Lovelace", "email", adasEmail,
		"password", adasPassword, "password_again", adasPassword)
	b.leads(200, "Keyfob is ready", press("Set up"))
	b.shows("keyfob auth login --url " + s.url)
}

// login signs in with what the command prints, in a browser where nobody is signed in.
func (m machine) login(t *testing.T, c *chromium, s running, flags ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*stepTimeout)
	defer stop()
	cmd := m.command(ctx, "keyfob", append([]string{"auth", "login", "--url", s.url, "--no-browser"}, flags...)...)
	stderr, err := cmd.StderrPipe()
	noError(t, err)
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	noError(t, cmd.Start())
	said := bufio.NewReader(stderr)
	first, err := said.ReadString('\n')
	noError(t, err)
	printed := regexp.MustCompile(`^Open (http://\S+) and enter the code ([B-Z]{4}-[B-Z]{4})\n$`).FindStringSubmatch(first)
	if printed == nil {
		t.Fatalf("keyfob prints %q", first)
	}
	page, code := printed[1], printed[2]

	b := c.tab(t, &service{url: s.url})
	b.leads(200, "Sign in", chromedp.Navigate(page))
	b.signIn()
	b.fill("code", code)
	b.leads(200, decideTitle, press("Continue"))
	host, err := os.Hostname()
	noError(t, err)
	b.shows(code, "keyfob", host, "127.0.0.1", adasEmail)
	b.leads(200, "Approved", press("Approve"))
	b.shows("keyfob on " + host + " is signed in as you.")

	rest, err := io.ReadAll(said)
	noError(t, err)
	if err := cmd.Wait(); err != nil || stdout.Len() != 0 {
		t.Fatalf("keyfob auth login: %v\n%s%s", err, stdout.String(), rest)
	}
	if want := "Signed in to " + s.url + " as Ada Lovelace; the session is kept in "; !strings.Contains(string(rest), want) {
		t.Errorf("keyfob says %q, want %q in it", rest, want)
	}
}

// expectStatus asserts what `auth status -o json` names.
func (m machine) expectStatus(t *testing.T, s running, kind string) {
	t.Helper()
	var got struct {
		URL, Org string
		Role     api.Role
		Source   struct{ Kind string }
		User     api.User
		Session  api.Session
	}
	noError(t, json.Unmarshal([]byte(m.keyfob(t, 0, "auth", "status", "-o", "json")), &got))
	if got.URL != s.url || got.User.Email != adasEmail || got.User.Name != "Ada Lovelace" || got.Org != "acme" ||
		got.Role != api.RoleOwner || got.Source.Kind != kind {
		t.Errorf("%+v", got)
	}
	const idle = 30 * 24 * time.Hour
	if left := time.Until(got.Session.ExpiresAt); left > idle || left < idle-time.Hour {
		t.Errorf("the session ends in %s, want %s", left, idle)
	}
}

// onDisk returns the files below dir that hold the text.
func onDisk(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	noError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return err
	}))
	return found
}
