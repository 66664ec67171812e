package gateways

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/logtest"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

const wait = 20 * time.Second

func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", tool)
	}
	t.Skipf("%s is not installed", tool)
}

// gateway is a program, the language of its configuration in docs/gateways.md, and how it is run.
type gateway struct {
	name, program string
	config        func(documented string) string
	argv          func(dir, config string) []string
}

func nginx() gateway {
	return gateway{
		"nginx", "nginx",
		func(documented string) string {
			var temp strings.Builder
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temp.WriteString(kind + "_temp_path " + kind + ";\n")
			}
			return "daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + temp.String() + documented + "}\n"
		},
		func(dir, config string) []string {
			return []string{"-p", dir, "-e", "stderr", "-c", config}
		},
	}
}

func caddy() gateway {
	return gateway{
		"caddyfile", "caddy",
		func(documented string) string { return "{\n\tadmin off\n\tauto_https off\n}\n" + documented },
		func(_, config string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} },
	}
}

// start runs the gateway with the documented configuration, but for its addresses, and returns its URL.
func (g gateway) start(t *testing.T, keyfob, backend string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/gateways.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + g.name + "\n(.*?)```").FindSubmatch(doc)
	if block == nil {
		t.Fatalf("docs/gateways.md has no configuration for %s", g.name)
	}
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	text := string(block[1])
	for _, r := range [][2]string{{"127.0.0.1:7420", keyfob}, {"127.0.0.1:9000", backend}} {
		if strings.Count(text, r[0]) != 1 {
			t.Fatalf("the configuration names %s not once:\n%s", r[0], text)
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	text = strings.Replace(text, "listen 80;", "listen "+address+";", 1)
	text = strings.Replace(text, ":80 {", "http://127.0.0.1:"+port+" {", 1)
	g.run(t, text, address)
	return "http://" + address
}

// run runs the gateway with a configuration, and waits until it listens.
func (g gateway) run(t *testing.T, text, address string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(g.config(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, unprivileged, dir, g.program, g.argv(dir, config)...)
	for deadline := time.Now().Add(wait); ; {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", g.program, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// run runs a program until the test ends; stop ends it sooner.
func run(t *testing.T, prepare func(*testing.T, *exec.Cmd, string), dir, program string, argv ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, program, argv...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var out logtest.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = wait
	prepare(t, cmd, dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	done := false
	stop = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; t.Failed() || errors.Is(err, exec.ErrWaitDelay) {
			t.Logf("%s: %v\n%s", program, err, out.String())
		}
	}
	t.Cleanup(stop)
	return stop
}

// service is a keyfobd with two organisations.
type service struct {
	address      string
	acme, globex *client.Client
	stop         func()
}

func serve(t *testing.T) *service {
	t.Helper()
	dir := t.TempDir()
	program := keyfobd(t, dir)
	data := filepath.Join(dir, "data")
	address := freeAddress(t)
	s := &service{address: address, acme: bootstrap(t, program, data, address, "acme"), globex: bootstrap(t, program, data, address, "globex")}
	s.stop = run(t, bound, dir, program, "serve", "--setup-link=false", "--listen", address, "--data-dir", data,
		"--trusted-proxies", "127.0.0.1/32")
	for deadline := time.Now().Add(wait); ; {
		_, err := s.acme.Session(t.Context())
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// keyfobd builds the program in a folder.
func keyfobd(t *testing.T, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "keyfobd")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/keyfob/keyfob/cmd/keyfobd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func bootstrap(t *testing.T, program, data, address, org string) *client.Client {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "bootstrap", "-o", "json", "--data-dir", data, "--org", org).Output()
	if err != nil {
		t.Fatal(err)
	}
	return owner(t, out, (&url.URL{Scheme: "http", Host: address}).String())
}

// owner is a client with the session that bootstrap printed.
func owner(t *testing.T, printed []byte, at string) *client.Client {
	t.Helper()
	var made struct{ Session string }
	if err := json.Unmarshal(printed, &made); err != nil {
		t.Fatal(err)
	}
	token, err := secret.Parse(secret.Session, made.Session)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{URL: at, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *service) newKey(t *testing.T, name string) (api.Key, string) {
	t.Helper()
	return s.newKeyOf(t, s.acme, "acme", name)
}

func (s *service) newKeyOf(t *testing.T, c *client.Client, org, name string) (api.Key, string) {
	t.Helper()
	k, made, err := c.CreateKey(t.Context(), org, api.CreateKeyRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return k, made.Reveal()
}
