package keys

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// service answers for the keys "ci" and "web", of which "ci" was used lately, and remembers what it was asked to change.
type service struct {
	t       *testing.T
	changes []string
}

func (s *service) session() func(context.Context) (*cliutil.Session, error) {
	server := httptest.NewServer(s)
	s.t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		s.t.Fatal(err)
	}
	return func(context.Context) (*cliutil.Session, error) { return &cliutil.Session{Client: c, Org: "acme"}, nil }
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, verb, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/orgs/acme/keys/"), "/")
	name = strings.TrimPrefix(name, "key_")
	if name != "ci" && name != "web" {
		problem(w, api.Problem{Status: http.StatusNotFound, Code: api.CodeKeyNotFound, Detail: "the organisation has no key " + name})
		return
	}
	if r.Method != http.MethodGet {
		s.changes = append(s.changes, r.Method+" "+r.URL.RequestURI())
	}
	if r.Method == http.MethodDelete {
		if name == "ci" && r.URL.Query().Get("acknowledge_recent_use") != "true" {
			used := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)
			problem(w, api.Problem{Status: http.StatusConflict, Code: api.CodeKeyRecentlyUsed, Detail: "in use", LastUsedAt: &used, Calls24h: 7})
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	key := api.Key{ID: "key_" + name, Name: name, Hint: "kf_…abcd", Status: api.StatusEnabled}
	if verb == "disable" {
		key.Status = api.StatusDisabled
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(api.KeyEnvelope{Key: key})
}

func problem(w http.ResponseWriter, p api.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

const (
	deleteCI    = "DELETE /v1/orgs/acme/keys/key_ci"
	deleteCIAck = "DELETE /v1/orgs/acme/keys/key_ci?acknowledge_recent_use=true"
	deleteWeb   = "DELETE /v1/orgs/acme/keys/key_web"
)

// TestDelete walks the questions that stand before a deletion.
func TestDelete(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		keys       []string
		typed      string
		yes, force bool
		changes    []string
		exit       cliutil.Exit
		code       string
	}{
		"the name is typed":        {keys: []string{"web"}, typed: "web\n", changes: []string{deleteWeb}},
		"another name is typed":    {keys: []string{"web"}, typed: "wbe\n", exit: cliutil.ExitCancelled, code: "cancelled"},
		"nothing is typed":         {keys: []string{"web"}, typed: "", exit: cliutil.ExitCancelled, code: "cancelled"},
		"in use, confirmed again":  {keys: []string{"ci"}, typed: "ci\nci\n", changes: []string{deleteCI, deleteCIAck}},
		"in use, not again":        {keys: []string{"ci"}, typed: "ci\nno\n", changes: []string{deleteCI}, exit: cliutil.ExitCancelled, code: "cancelled"},
		"a script":                 {keys: []string{"web"}, yes: true, changes: []string{deleteWeb}},
		"a script, in use":         {keys: []string{"ci"}, yes: true, changes: []string{deleteCI}, exit: cliutil.ExitConflict, code: "key-recently-used"},
		"a script, in use, forced": {keys: []string{"ci"}, yes: true, force: true, changes: []string{deleteCIAck}},
		"not found":                {keys: []string{"nope"}, yes: true, exit: cliutil.ExitNotFound, code: "key-not-found"},
		"two, and neither typed":   {keys: []string{"ci", "web"}, typed: "no\nno\n", exit: cliutil.ExitCancelled, code: "cancelled"},
		"two, and one typed":       {keys: []string{"ci", "web"}, typed: "no\nweb\n", changes: []string{deleteWeb}, exit: cliutil.ExitFailed, code: "partial-failure"},
		"all fail":                 {keys: []string{"nope", "nada"}, yes: true, exit: cliutil.ExitFailed, code: "partial-failure"},
		"some fail":                {keys: []string{"nope", "ci", "web"}, yes: true, changes: []string{deleteCI, deleteWeb}, exit: cliutil.ExitFailed, code: "partial-failure"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{t: t}
			streams, in, _, errOut := cliutil.TestStreams()
			in.WriteString(tc.typed)
			err := deleteRun(t.Context(), &DeleteOptions{
				Session: s.session(), Out: &cliutil.Output{Format: cliutil.FormatTable, IO: streams},
				Now:  func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) },
				Keys: tc.keys, Yes: tc.yes, Force: tc.force,
			})
			if !slices.Equal(s.changes, tc.changes) {
				t.Errorf("changes %q, want %q", s.changes, tc.changes)
			}
			if tc.code == "" {
				if err != nil {
					t.Errorf("failed: %v", err)
				}
				return
			}
			if got := cliutil.Describe(err); got.Exit != tc.exit || got.Code != tc.code {
				t.Errorf("exit %d, code %s, want %d, %s", got.Exit, got.Code, tc.exit, tc.code)
			}
			if name == "all fail" && err.Error() != "all 2 keys failed" {
				t.Errorf("got %v", err)
			}
			if tc.code == "key-recently-used" && !strings.Contains(err.Error(), "2026-11-23T11:00:00Z, 7 times in") {
				t.Errorf("the error does not say when: %v", err)
			}
			if strings.HasPrefix(name, "in use") && !strings.Contains(errOut.String(), "1 hour ago") {
				t.Errorf("the question does not say when: %s", errOut)
			}
		})
	}
}

// TestOutcomes holds the forms in which several keys answer.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	run := func(format cliutil.Format, quiet bool) (string, string, error) {
		streams, _, out, errOut := cliutil.TestStreams()
		s := &service{t: t}
		err := toggleRun(t.Context(), &ToggleOptions{
			Session: s.session(), Out: &cliutil.Output{Format: format, Quiet: quiet, IO: streams}, Keys: []string{"ci", "nope", "web"},
		})
		return out.String(), errOut.String(), err
	}
	out, errOut, err := run(cliutil.FormatTable, false)
	var failed *cliutil.Error
	if !errors.As(err, &failed) || failed.Exit != cliutil.ExitFailed || !strings.Contains(failed.Message, "1 of 3") {
		t.Errorf("table: %v", err)
	}
	if out != "ci\tdisabled\nweb\tdisabled\n" {
		t.Errorf("table: %q", out)
	}
	if errOut != "nope: the organisation has no key nope\n" {
		t.Errorf("table: stderr %q", errOut)
	}
	out, _, _ = run(cliutil.FormatTable, true)
	if out != "key_ci\nkey_web\n" {
		t.Errorf("quiet: %q", out)
	}
	out, _, _ = run(cliutil.FormatJSON, false)
	var doc struct {
		Results []struct {
			Key   string
			OK    bool
			ID    string
			Error struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Results) != 3 {
		t.Fatalf("JSON: %v in %s", err, out)
	}
	if r := doc.Results; !r[0].OK || r[0].ID != "key_ci" || r[1].OK || r[1].Error.Code != "key-not-found" || !r[2].OK {
		t.Errorf("JSON: %s", out)
	}
}

// TestCancelledHalfway holds that who gives up among several keys is told what has happened to the first ones.
func TestCancelledHalfway(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cancelled string // the key that the cancellation meets
		stdout    string
	}{
		"the second": {"web", "ci\tdone\n"},
		"the first":  {"ci", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			streams, _, out, _ := cliutil.TestStreams()
			asked := 0
			err := actOn(ctx, &cliutil.Output{Format: cliutil.FormatTable, IO: streams}, []string{"ci", "web", "last"}, "done",
				func(ctx context.Context, name string) (api.Key, error) {
					asked++
					if name == tc.cancelled {
						cancel()
					}
					return api.Key{ID: "key_" + name, Name: name}, ctx.Err()
				})
			if cliutil.Describe(err).Exit != cliutil.ExitCancelled || out.String() != tc.stdout || asked == 3 {
				t.Errorf("%v, stdout %q, %d keys", err, out, asked)
			}
		})
	}
}
