package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// desktop runs a command in what a desktop session has, in a /run/user of its own: a session bus where systemd puts it, and
// gnome-keyring, unlocked. All of it ends with the command. Both daemons return once they are ready.
const desktop = `set -e
mount -t tmpfs tmpfs /run/user
mkdir -m 700 "$XDG_RUNTIME_DIR"
dbus-daemon --session --fork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" 2>/dev/null
printf pw | gnome-keyring-daemon --daemonize --unlock --components=secrets >/dev/null
exec "$@"
`

// TestKeyringBehindCodex has Codex connect with a session and a key that lie in the keyring. It clears the environment of
// its header helper, which has to find the session bus without DBUS_SESSION_BUS_ADDRESS.
func TestKeyringBehindCodex(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"unshare", "dbus-daemon", "gnome-keyring-daemon"} {
		_, err := exec.LookPath(program)
		missing(t, err)
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "-rmpf", "true").CombinedOutput(); err != nil {
		missing(t, fmt.Errorf("a mount namespace of its own is needed: %s", out))
	}
	e := newEngine(t, "codex", "claude")
	q := start(t)
	e.path = slices.Insert(e.path, 0, filepath.Dir(q.keyfob))
	e.env = append(e.env, "XDG_RUNTIME_DIR=/run/user/0", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus", "URL="+q.Service.URL)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(q.session(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	const work = `set -e
keyfob auth login --with-token --url "$URL" <"$1"
keyfob mcp connect --client codex --client claude-code --apply
keyfob mcp test -o json >&3
`
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := e.command(ctx, "unshare", "-rmpf", "--kill-child", "sh", "-c", "exec 3>&1 >&2\n"+desktop, "sh", "sh", "-c", work, "sh", token)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var doc struct {
		Results []struct{ Client, Rung, Engine string }
	}
	if err := json.Unmarshal(out, &doc); err != nil || len(doc.Results) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, r := range doc.Results {
		if r.Rung != "helper" || r.Engine != "connected" {
			t.Errorf("%+v", r)
		}
	}
	for _, path := range []string{".claude.json", ".codex/config.toml"} {
		if data, err := os.ReadFile(filepath.Join(e.home, path)); err != nil || strings.Contains(string(data), "kf_") {
			t.Errorf("%s: %v, or it has the key", path, err)
		}
	}
	if plain, _ := filepath.Glob(filepath.Join(e.home, ".config/keyfob/session*")); len(plain) > 0 {
		t.Errorf("the session is not in the keyring: %q", plain)
	}
}
