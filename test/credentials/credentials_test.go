// Package credentials runs the real keyfob where its session can't be kept, and many processes on one session.
package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	binVariable = "KEYFOB_TEST_BIN"
	keyID       = "key_1"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	bin, err := os.MkdirTemp("", "keyfob-credentials-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(bin) }()
	build := exec.Command("go", "build", "-o", bin, "../../cmd/keyfob", "./hammer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(binVariable, bin); err != nil {
		return 1
	}
	return m.Run()
}

// service is the little of a Keyfob service that the commands here ask for. It takes any well-formed session.
func service(t *testing.T) (url string) {
	t.Helper()
	return serviceWith(t, func(string) {})
}

// serviceWith tells ended of each session that is signed out.
func serviceWith(t *testing.T, ended func(token string)) (url string) {
	t.Helper()
	answer := func(w http.ResponseWriter, doc any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(doc)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/session", func(w http.ResponseWriter, r *http.Request) {
		token, err := secret.Parse(secret.Session, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, api.SessionInfo{
			Session: api.Session{ID: "ses_1", Kind: api.SessionCLI, Hint: token.Hint(), CreatedAt: time.Unix(1, 0), ExpiresAt: time.Unix(4e9, 0)},
			User:    api.User{ID: "usr_1", Name: "Ada"},
			Orgs:    []api.Membership{{Org: api.Org{ID: "org_1", Slug: "acme", Name: "Acme"}, Role: api.RoleOwner}},
		})
	})
	mux.HandleFunc("DELETE /v1/session", func(w http.ResponseWriter, r *http.Request) {
		ended(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		w.WriteHeader(http.StatusNoContent)
	})
	key := api.Key{ID: keyID, Name: "ci", Status: api.StatusEnabled}
	value := secret.New(secret.Key).Reveal()
	mux.HandleFunc("POST /v1/orgs/acme/keys/"+keyID+"/reveal", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.KeyWithSecret{Key: key, Secret: value})
	})
	mux.HandleFunc("GET /v1/self", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+value {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, api.Self{Key: key, Secret: api.SecretInfo{Version: 1, State: api.SecretCurrent}})
	})
	mux.HandleFunc("GET /v1/orgs/acme/keys", func(w http.ResponseWriter, _ *http.Request) { answer(w, api.KeyList{Keys: []api.Key{}}) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// outcome is how a command ended.
type outcome struct {
	exit           int
	stdout, stderr string
	took           time.Duration
	err            error // it could not be run, or was killed after patience
}

// patience is for a loaded machine; what is promised is checked apart.
const patience = time.Minute

// keyfob runs the real binary with nothing of this machine but PATH.
func keyfob(ctx context.Context, home string, env []string, stdin string, args ...string) outcome {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv(binVariable), "keyfob"), args...)
	// What it writes anywhere of its own accord is below home, where onDisk looks.
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}, env...)
	cmd.Dir, cmd.WaitDelay = home, time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	o := outcome{stdout: stdout.String(), stderr: stderr.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.Exited():
		o.exit = exit.ExitCode()
	case err != nil:
		o.err = err
	}
	return o
}

// onDisk returns the files below dir that hold the canary.
func onDisk(t *testing.T, dir, canary string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(canary)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
