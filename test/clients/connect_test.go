package clients_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
)

// TestConnects has each client's own engine connect with what --apply wrote, in every way that the client can get a key,
// and not connect when the key is disabled. The service has to have seen the client with that key.
func TestConnects(t *testing.T) {
	t.Parallel()
	newEngine(t, "claude") // skip before anything is built
	q := start(t)
	for _, p := range proofs() {
		t.Run(p.program, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, p.program)
			e.signIn(t, q)
			p.connects(t, e, q)
		})
	}
}

const variable = "ACME_API_KEY"

func (p proof) connects(t *testing.T, e *engine, q quickstart) {
	t.Helper()
	client, ok := mcpclient.Lookup(p.client)
	if !ok {
		t.Fatalf("there is no client %s", p.client)
	}
	m := newModel(t)
	p.prepare(t, e, m)
	files := filesOf(e, p)
	before := state(t, files)
	var key struct {
		Key    struct{ ID string }
		Secret string
	}
	e.decode(t, &key, "keyfob", "keys", "create", p.program)
	e.env = append(e.env, variable+"="+key.Secret)

	ways := map[mcpclient.Rung][]string{mcpclient.RungEnv: {"--env", variable}, mcpclient.RungProxy: {"--proxy"}, mcpclient.RungLiteral: {"--literal"}}
	own := false // the client has written its file itself
	for _, rung := range slices.Backward(client.Rungs(mcpclient.ScopeUser)) {
		var done struct {
			Results []struct{ Rung mcpclient.Rung }
		}
		e.decode(t, &done, append([]string{"keyfob", "mcp", "connect", "--client", p.client, "--key", key.Key.ID, "--apply"}, ways[rung]...)...)
		if done.Results[0].Rung != rung {
			t.Fatalf("connected by %s, want %s", done.Results[0].Rung, rung)
		}
		written := state(t, files)
		begun := time.Now()
		if !p.isConnected(t, e, m, true) {
			t.Errorf("%s is not connected by %s", p.program, rung)
			continue
		}
		if agent := p.agent; rung != mcpclient.RungProxy && !q.saw(t, e, key.Key.ID, agent, begun) {
			t.Errorf("by %s: the service saw no %s with the key", rung, agent)
		}
		p.checkModes(t, rung, files)
		own = own || !maps.Equal(written, state(t, files))
	}

	e.run(t, "keyfob", "keys", "disable", key.Key.ID)
	if p.isConnected(t, e, m, false) {
		t.Errorf("%s says that it is connected with a key that is disabled", p.program)
	}
	p.disconnects(t, e, files, before, own)
}

// disconnects takes the entry out. Where the client has written its file itself meanwhile, that stays.
func (p proof) disconnects(t *testing.T, e *engine, files []string, before map[string]string, own bool) {
	t.Helper()
	e.run(t, "keyfob", "mcp", "disconnect", "--client", "all")
	after := state(t, files)
	switch {
	case !own && !same(t, after, before):
		t.Error("disconnected: the files are not what they were")
	case own:
		t.Logf("%s wrote its file itself", p.program)
		for path := range after {
			if strings.Contains(after[path], "/mcp\"") || !strings.Contains(after[path], p.mark()) {
				t.Errorf("%s has the server, or not what it held:\n%s", path, after[path])
			}
		}
	}
}

// isConnected asks the client's own engine, through `keyfob mcp test` where that can. Both have to agree on want.
func (p proof) isConnected(t *testing.T, e *engine, m *model, want bool) bool {
	t.Helper()
	out, err := e.command(t.Context(), "keyfob", "mcp", "test", "--client", p.client, "-o", "json").Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("mcp test: %v\n%s", err, out)
	}
	var doc struct {
		Results []struct {
			OK            bool
			Engine, Error string
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil || len(doc.Results) != 1 {
		t.Fatalf("mcp test: %v\n%s", err, out)
	}
	got := doc.Results[0]
	if got.OK != want {
		t.Errorf("mcp test says %+v", got)
	}
	if p.talk == nil {
		return got.Engine == "connected"
	}
	if got.Engine != "none" {
		t.Errorf("mcp test says %q of a client that it can't ask", got.Engine)
	}
	m.forget()
	p.talk(t, e, m)
	return m.saw("whoami")
}

// checkModes holds that a key is for its owner's eyes, also once the client has run.
func (p proof) checkModes(t *testing.T, rung mcpclient.Rung, files []string) {
	t.Helper()
	loose := false
	for _, path := range files {
		fi, err := os.Stat(path)
		loose = loose || err == nil && fi.Mode().Perm()&0o077 != 0
	}
	if rung == mcpclient.RungLiteral && loose != p.loosens {
		t.Errorf("%s leaves its file for all to read: %v, want %v", p.program, loose, p.loosens)
	}
}

// prepare puts into the client's files what a person has there.
func (p proof) prepare(t *testing.T, e *engine, m *model) {
	t.Helper()
	held := map[string]string{}
	for path, text := range p.held {
		if m != nil {
			text = strings.ReplaceAll(text, "MODEL", m.url)
		}
		held[path] = strings.ReplaceAll(text, "%s", p.program+".example")
	}
	e.write(t, held)
	if p.warm != nil {
		_, _ = e.try(t, p.warm...) // that the other server does not answer is no matter
	}
}

// mark is a part of what the files hold.
func (p proof) mark() string {
	for _, text := range p.held {
		if strings.Contains(text, "// mine") {
			return "// mine"
		}
	}
	return "{"
}

func filesOf(e *engine, all ...proof) []string {
	var files []string
	for _, p := range all {
		for path := range p.held {
			files = append(files, filepath.Join(e.home, path))
		}
	}
	return files
}

func same(t *testing.T, got, want map[string]string) bool {
	t.Helper()
	equal := true
	for path := range want {
		if got[path] != want[path] {
			equal = false
			t.Logf("%s is\n%s\n-- and was\n%s", path, got[path], want[path])
		}
	}
	return equal
}

// signIn gives the engine keyfob and the session of who ran quickstart.
func (e *engine) signIn(t *testing.T, q quickstart) {
	t.Helper()
	e.path = slices.Insert(e.path, 0, filepath.Dir(q.keyfob))
	if err := os.CopyFS(filepath.Join(e.home, ".config/keyfob"), os.DirFS(filepath.Join(q.home, ".config/keyfob"))); err != nil {
		t.Fatal(err)
	}
}

// decode runs a command of keyfob and reads the object that it prints.
func (e *engine) decode(t *testing.T, into any, argv ...string) {
	t.Helper()
	cmd := e.command(t.Context(), append(argv, "-o", "json")...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv[1:], err, stderr.String())
	}
}

// saw says that the service has a call with the key, since then, from a program that names itself so.
func (q quickstart) saw(t *testing.T, e *engine, key, agent string, since time.Time) bool {
	t.Helper()
	var doc struct {
		DryRun []struct {
			Usage struct {
				Callers []struct {
					Agent      string    `json:"agent"`
					LastUsedAt time.Time `json:"last_used_at"`
				} `json:"callers"`
			} `json:"usage"`
		} `json:"dry_run"`
	}
	e.decode(t, &doc, "keyfob", "keys", "delete", key, "--dry-run")
	for _, caller := range doc.DryRun[0].Usage.Callers {
		if strings.HasPrefix(caller.Agent, agent) && caller.LastUsedAt.After(since) {
			return true
		}
	}
	t.Logf("since %s: %+v", since.UTC(), doc.DryRun[0].Usage.Callers)
	return false
}
