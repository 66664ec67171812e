package clients_test

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// quickstart is what `keyfob quickstart -o json` prints.
type quickstart struct {
	Service struct {
		URL     string `json:"url"`
		DataDir string `json:"data_dir"`
	} `json:"service"`
	Org struct {
		Slug string `json:"slug"`
	} `json:"org"`
	Key struct {
		ID string `json:"id"`
	} `json:"key"`
	Secret string `json:"secret"`
	Checks []struct {
		Name string `json:"name"`
		OK   bool   `json:"ok"`
	} `json:"checks"`
	MCP struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"mcp"`
	Setups []struct {
		Client string `json:"client"`
		Text   string `json:"text"`
	} `json:"setups"`

	keyfob string // the program
	home   string // that it was started in
}

// text returns the printed setup of a client.
func (q quickstart) text(t *testing.T, client string) string {
	t.Helper()
	for _, s := range q.Setups {
		if s.Client == client {
			return s.Text
		}
	}
	t.Fatalf("quickstart printed no setup for %s", client)
	return ""
}

// start runs quickstart and returns what it printed. When the test and its subtests are done it is ended as by Ctrl-C,
// and nothing of it may stay.
func start(t *testing.T) quickstart {
	t.Helper()
	ctx, interrupt := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	home := t.TempDir()
	program := build(t)
	cmd := exec.CommandContext(ctx, program, "quickstart", "-o", "json", "--data-dir", t.TempDir())
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin", "SHELL=/bin/sh"}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	q := quickstart{keyfob: program, home: home}
	t.Cleanup(func() {
		interrupt()
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("quickstart ended with %v\n%s", cmd.ProcessState, stderr.String())
		}
		closed(t, q.Service.URL)
	})

	late := time.AfterFunc(30*time.Second, interrupt)
	err = json.NewDecoder(stdout).Decode(&q)
	late.Stop()
	if err != nil {
		t.Fatalf("quickstart printed no object: %v", err)
	}
	for _, c := range q.Checks {
		if !c.OK {
			t.Errorf("check %s failed", c.Name)
		}
	}
	return q
}

// session returns a session of the service's owner.
func (q quickstart) session(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(q.keyfob), "keyfobd"), "bootstrap", "-o", "json",
		"--data-dir", q.Service.DataDir, "--org", q.Org.Slug, "--user", "tester").Output()
	var made struct {
		Session string `json:"session"`
	}
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err != nil {
		t.Fatalf("keyfobd bootstrap: %v", err)
	}
	return made.Session
}

// closed fails the test if something still listens where the service was.
func closed(t *testing.T, service string) {
	t.Helper()
	at, err := url.Parse(service)
	if err != nil || at.Host == "" {
		t.Errorf("quickstart named no service: %q", service)
		return
	}
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.Dial("tcp", at.Host); err == nil {
		_ = conn.Close()
		t.Errorf("%s is still open after quickstart ended", at.Host)
	}
}

// build builds keyfob and keyfobd into one folder and returns keyfob's path.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", dir,
		"github.com/keyfob/keyfob/cmd/keyfob", "github.com/keyfob/keyfob/cmd/keyfobd").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "keyfob")
}

// wrong returns the secret with its last character changed.
func wrong(secret string) string {
	last := byte('0')
	if strings.HasSuffix(secret, "0") {
		last = '1'
	}
	return secret[:len(secret)-1] + string(last)
}
