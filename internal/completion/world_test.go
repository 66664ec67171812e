package completion

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// world is a service and a machine on which somebody presses Tab.
type world struct {
	env    map[string]string
	now    time.Time
	orgs   map[string][]api.Key
	status int // that every answer has instead of 200
	calls  atomic.Int32
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), orgs: map[string][]api.Key{}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.env = map[string]string{
		"HOME": t.TempDir(), "KEYFOB_URL": server.URL, "KEYFOB_ORG": "acme",
		"KEYFOB_TOKEN": secret.New(secret.Session).Reveal(),
	}
	return w
}

func (w *world) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.calls.Add(1)
	out.Header().Set("Content-Type", "application/json")
	if w.status != 0 {
		out.WriteHeader(w.status)
		return
	}
	if r.URL.Path == "/v1/session" {
		var info api.SessionInfo
		for _, slug := range slices.Sorted(maps.Keys(w.orgs)) {
			info.Orgs = append(info.Orgs, api.Membership{Org: api.Org{Slug: slug, Name: "The " + slug}})
		}
		_ = json.NewEncoder(out).Encode(info)
		return
	}
	_ = json.NewEncoder(out).Encode(api.KeyList{Keys: w.orgs[strings.Split(r.URL.Path, "/")[3]]})
}

// tab presses Tab in a process of its own.
func (w *world) tab(t *testing.T, completer func(*cliutil.Factory) cobra.CompletionFunc, word string, given ...string) []string {
	t.Helper()
	streams, _, out, errOut := cliutil.TestStreams()
	f := cliutil.NewFactory(streams, func(name string) string { return w.env[name] })
	f.GOOS = "linux"
	f.Now = func() time.Time { return w.now }
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	offered, directive := completer(f)(cmd, given, word)
	if directive != cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder {
		t.Errorf("directive %d", directive)
	}
	if out.Len()+errOut.Len() > 0 {
		t.Errorf("wrote %q and %q", out, errOut)
	}
	return offered
}

func anyKeys(f *cliutil.Factory) cobra.CompletionFunc { return Keys(f) }

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: offered %q, want %q", what, got, want)
	}
}

func key(n int, name string, status api.KeyStatus) api.Key {
	return api.Key{ID: fmt.Sprintf("key_%d", n), Name: name, Hint: fmt.Sprintf("kf_…%04d", n), Status: status}
}
