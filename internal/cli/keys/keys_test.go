package keys

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

func at(t *testing.T, s string) *time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return &v
}

// session answers every list with these keys.
func session(t *testing.T, keys []api.Key) func(context.Context) (*cliutil.Session, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(api.KeyList{Keys: keys})
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context) (*cliutil.Session, error) { return &cliutil.Session{Client: c, Org: "acme"}, nil }
}

func list(t *testing.T, tty, quiet bool, keys []api.Key) (stdout, stderr string) {
	t.Helper()
	streams, _, out, errOut := cliutil.TestStreams()
	streams.OutTTY = tty
	opts := &ListOptions{
		Session: session(t, keys), Out: &cliutil.Output{Format: cliutil.FormatTable, Quiet: quiet, IO: streams},
		Now: func() time.Time { return *at(t, "2026-11-23T12:00:00Z") },
	}
	if err := listRun(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	return trimmed(out), errOut.String()
}

func trimmed(b *bytes.Buffer) string {
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.Join(lines, "\n")
}

func listedKeys(t *testing.T) []api.Key {
	t.Helper()
	return []api.Key{
		{ID: "key_1", Name: "ci", Status: api.StatusEnabled, Hint: "kf_…aaaa", CreatedAt: *at(t, "2026-11-20T12:00:00Z"), LastUsedAt: at(t, "2026-11-23T11:58:00Z"), CreatedBy: api.Actor{Name: "ada"}, ExpiresAt: at(t, "2026-11-30T13:00:00Z")},
		{ID: "key_2", Name: "old", Status: api.StatusDisabled, Hint: "kf_…bbbb", CreatedAt: *at(t, "2026-08-01T12:00:00Z")},
		{ID: "key_3", Name: "evil\x1b[2J", Status: api.StatusEnabled, Hint: "kf_…cccc", CreatedAt: *at(t, "2026-11-23T11:00:00Z"), Secrets: make([]api.SecretInfo, 2)},
		{ID: "key_4", Name: "gone", Status: api.StatusExpired, Hint: "kf_…dddd", CreatedAt: *at(t, "2026-11-22T12:00:00Z")},
	}
}

func TestListOnATerminal(t *testing.T) {
	t.Parallel()
	got, _ := list(t, true, false, listedKeys(t))
	want := `Enabled (2)
NAME           STATUS             HINT      LAST USED      CREATED     CREATOR  EXPIRES
ci             enabled            kf_…aaaa  2 minutes ago  3 days ago  ada      in 7 days
evil\u001b[2J  enabled, rotating  kf_…cccc  never          1 hour ago

Disabled (1)
NAME  STATUS    HINT      LAST USED  CREATED       CREATOR  EXPIRES
old   disabled  kf_…bbbb  never      114 days ago

Expired (1)
NAME  STATUS   HINT      LAST USED  CREATED    CREATOR  EXPIRES
gone  expired  kf_…dddd  never      1 day ago`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestListOffATerminal(t *testing.T) {
	t.Parallel()
	got, _ := list(t, false, false, listedKeys(t))
	first, _, _ := strings.Cut(got, "\n")
	if want := "ci\tenabled\tkf_…aaaa\t2026-11-23T11:58:00Z\t2026-11-20T12:00:00Z\tada\t2026-11-30T13:00:00Z\tkey_1\t"; first != want {
		t.Errorf("got %q, want %q", first, want)
	}
	if lines := strings.Split(got, "\n"); !strings.HasSuffix(lines[2], "\tkey_3\trotating") {
		t.Errorf("a rotating key is not marked: %q", lines[2])
	}
	if strings.Contains(got, "\x1b") {
		t.Error("an escape sequence came through")
	}
}

func TestListQuietAndEmpty(t *testing.T) {
	t.Parallel()
	if got, _ := list(t, true, true, listedKeys(t)); got != "key_1\nkey_2\nkey_3\nkey_4" {
		t.Errorf("quiet: %q", got)
	}
	got, note := list(t, true, false, nil)
	if got != "" || !strings.Contains(note, "keyfob keys create NAME") {
		t.Errorf("empty: %q, %q", got, note)
	}
}
