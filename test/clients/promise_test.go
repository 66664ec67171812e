package clients_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConnectRotateDisconnect is what `mcp connect` promises, with three clients as they are: one command connects them, two
// of them live through a rotation without an edit, and in the end every file is as it was.
func TestConnectRotateDisconnect(t *testing.T) {
	t.Parallel()
	names := []string{"claude", "codex", "gemini"}
	newEngine(t, names...) // skip before anything is built
	q := start(t)
	e := newEngine(t, names...)
	e.signIn(t, q)
	clients := []proof{proofs()[0], proofs()[1], proofs()[2]}
	for _, p := range clients {
		p.prepare(t, e, nil)
	}
	files := filesOf(e, clients...)
	before := state(t, files)
	connected := func(when string, want ...bool) {
		t.Helper()
		for i, p := range clients {
			if got := e.says(t, p.client, q.MCP.Name); got != want[i] {
				t.Errorf("%s: %s says connected: %v, want %v", when, p.program, got, want[i])
			}
		}
	}

	e.run(t, "keyfob", "mcp", "connect", "--client", "claude-code", "--client", "codex", "--client", "gemini-cli", "--apply")
	after := state(t, files)
	connected("connected", true, true, true)

	e.run(t, "keyfob", "keys", "rotate", "default", "-q")
	e.run(t, "keyfob", "keys", "rotate", "default", "--retire", "now")
	connected("rotated", true, true, false) // Gemini CLI has no helper: the file holds the old secret
	if got := state(t, files); !same(t, got, after) {
		t.Error("a file was changed on the way")
	}

	e.run(t, "keyfob", "mcp", "disconnect", "--client", "all")
	if got := state(t, files); !same(t, got, before) {
		t.Error("disconnected: the files are not what they were")
	}
	connected("disconnected", false, false, false)
}

// store is a credential helper that finds its folder by a variable alone.
const store = `#!/bin/sh
in=$(cat)
at=${STORE:?}/$(printf %s "$in" | sed 's/.*"context":"\([^"]*\)".*/\1/' | tr / _)
case $1 in
get) cat "$at" 2>/dev/null || true ;;
store) umask 077; printf %s "$in" >"$at" ;;
erase) rm -f "$at" ;;
esac
`

// TestHelperWithoutEnvironment has the session where only a variable leads to. Codex runs its header helper without it, so that
// is refused before it is found out by a client that does not connect; the key itself works. That the configuration lies
// elsewhere is no hindrance.
func TestHelperWithoutEnvironment(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "codex")
	q := start(t)
	e.signIn(t, q)
	e.env = append(e.env, "XDG_CONFIG_HOME="+filepath.Join(e.home, "elsewhere"), "URL="+q.Service.URL)
	if err := os.Rename(filepath.Join(e.home, ".config"), filepath.Join(e.home, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(e.home, ".codex/config.toml")
	e.run(t, "keyfob", "mcp", "connect", "--client", "codex", "--apply")
	if !e.says(t, "codex", q.MCP.Name) {
		t.Error("codex is not connected with the configuration elsewhere")
	}
	e.run(t, "keyfob", "mcp", "disconnect", "--client", "codex")

	helper := filepath.Join(e.home, "keyfob-store")
	for path, text := range map[string]string{helper: store, filepath.Join(e.home, "token"): q.session(t)} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e.env = append(e.env, "STORE="+t.TempDir())
	e.run(t, "sh", "-c", `keyfob auth login --with-token --url "$URL" --credential-helper "$HOME/keyfob-store" <token`)
	out, err := e.try(t, "keyfob", "mcp", "connect", "--client", "codex", "--apply")
	if err == nil || !strings.Contains(out, "Codex leaves its header helper HOME, LANG, PATH of the environment") || !strings.Contains(out, "--literal") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", file, err)
	}
	e.run(t, "keyfob", "mcp", "connect", "--client", "codex", "--apply", "--literal")
	if !e.says(t, "codex", q.MCP.Name) {
		t.Error("codex is not connected by the key itself")
	}
}
