package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

// verbs are the commands that ask the service, each with words it takes and whether it names a key.
func verbs() []struct {
	args  []string
	named bool
} {
	return []struct {
		args  []string
		named bool
	}{
		{[]string{"keys", "list"}, false},
		{[]string{"keys", "create", "new"}, false},
		{[]string{"keys", "show", "nope"}, true},
		{[]string{"keys", "rename", "nope", "other"}, true},
		{[]string{"keys", "edit", "nope", "--rate-limit", "1/s"}, true},
		{[]string{"keys", "disable", "nope"}, true},
		{[]string{"keys", "disable", "nope", "--dry-run"}, true},
		{[]string{"keys", "enable", "nope"}, true},
		{[]string{"keys", "reveal", "nope"}, true},
		{[]string{"keys", "copy", "nope"}, true},
		{[]string{"keys", "lookup"}, true},
		{[]string{"keys", "delete", "nope", "--yes"}, true},
		{[]string{"keys", "delete", "nope", "--dry-run"}, true},
		{[]string{"events", "list"}, false},
		{[]string{"mcp", "connect", "--client", "codex"}, false},
		{[]string{"mcp", "connect", "--client", "codex", "--key", "nope"}, true},
		{[]string{"auth", "status"}, false},
		{[]string{"auth", "status", "--all"}, false},
		{[]string{"auth", "token", "--for", "ci", "--permission", "keys:read", "--expires", "1d"}, false},
		{[]string{"auth", "logout", "--session", "ses_x"}, false},
		{[]string{"org", "list"}, false},
		{[]string{"org", "members", "list"}, false},
		{[]string{"org", "members", "add", "ada@example.com"}, false},
		{[]string{"org", "members", "set-role", "ada@example.com", "admin"}, false},
		{[]string{"org", "members", "remove", "ada@example.com", "--yes"}, false},
	}
}

// TestEveryVerbFailsWell runs each verb without a session, with one that is refused, against a service that is away and one
// that fails, and on a key that is not there: the exit code, the code, nothing on stdout, and no secret anywhere.
func TestEveryVerbFailsWell(t *testing.T) {
	t.Parallel()
	status := func(code int, doc string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(doc))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	const token = "KEYFOB_TOKEN="
	session := token + secret.New(secret.Session).Reveal()
	failing := func(code int, name string) string {
		return "KEYFOB_URL=" + status(code, `{"status":`+strconv.Itoa(code)+`,"detail":"x","code":"`+name+`","request_id":"r"}`)
	}
	conditions := map[string]struct {
		env   []string
		exit  int
		code  string
		named bool
	}{
		"not signed in": {nil, 4, "not-signed-in", false},
		"refused":       {[]string{session, failing(401, "unauthenticated")}, 4, "unauthenticated", false},
		"failing":       {[]string{session, failing(500, "internal")}, 6, "internal", false},
		"not found":     {[]string{session, failing(404, "key-not-found")}, 3, "key-not-found", true},
		"a conflict":    {[]string{session, failing(409, "name-taken")}, 5, "name-taken", false},
		"forbidden":     {[]string{session, failing(403, "forbidden")}, 1, "forbidden", false},
	}
	key := secret.New(secret.Key).Reveal()
	for name, condition := range conditions {
		for _, verb := range verbs() {
			if condition.named && !verb.named {
				continue
			}
			t.Run(name+"/"+strings.Join(verb.args, " "), func(t *testing.T) {
				t.Parallel()
				env := append([]string{"HOME=" + t.TempDir(), "KEYFOB_ORG=acme"}, condition.env...)
				out, errOut, exit := runKeyfob(t, env, key, append(verb.args, "-o", "json")...)
				var doc struct {
					Error struct{ Code, Message string }
				}
				if err := json.Unmarshal([]byte(errOut), &doc); err != nil {
					t.Fatalf("stderr is %q: %v", errOut, err)
				}
				if exit != condition.exit || doc.Error.Code != condition.code || doc.Error.Message == "" || out != "" {
					t.Errorf("exit %d, code %q, stdout %q, want %d, %q", exit, doc.Error.Code, out, condition.exit, condition.code)
				}
				if strings.Contains(errOut, "kfs_") || strings.Contains(errOut, key) {
					t.Errorf("a secret on stderr: %s", errOut)
				}
			})
		}
	}
}

// TestUnreachable is apart because each command tries again for some seconds.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, verb := range verbs() {
		t.Run(strings.Join(verb.args, " "), func(t *testing.T) {
			t.Parallel()
			env := []string{"HOME=" + t.TempDir(), "KEYFOB_ORG=acme", "KEYFOB_URL=http://127.0.0.1:1", "KEYFOB_TOKEN=" + secret.New(secret.Session).Reveal()}
			out, errOut, exit := runKeyfob(t, env, secret.New(secret.Key).Reveal(), verb.args...)
			if exit != 6 || out != "" || !strings.HasPrefix(errOut, "error: can't reach http://127.0.0.1:1") || !strings.Contains(errOut, "\nhint: ") {
				t.Errorf("exit %d, stdout %q, stderr %q", exit, out, errOut)
			}
		})
	}
}

func runKeyfob(t *testing.T, env []string, stdin string, args ...string) (stdout, stderr string, exit int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "keyfob"), args...)
	cmd.Env, cmd.Stdin = env, strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}
