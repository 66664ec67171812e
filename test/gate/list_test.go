package gate

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	listPages = 100
	listPage  = 1000
)

// manyKeys answers lists with 100 000 keys in pages of 1 000, ready made, so that what is measured is the reader.
func manyKeys(tb testing.TB) string {
	tb.Helper()
	pages := make([][]byte, listPages)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for p := range pages {
		list := api.KeyList{}
		for i := range listPage {
			id := fmt.Sprintf("key_%026d", p*listPage+i)
			list.Keys = append(list.Keys, api.Key{
				ID: id, Name: "name of " + id, Hint: "kf_…abcd", Status: api.StatusEnabled, CreatedAt: now, UpdatedAt: now, LastUsedAt: &now,
				CreatedBy: api.Actor{Type: api.ActorUser, ID: "usr_1", Name: "ada"}, Tags: map[string]string{"team": "web"},
				Secrets: []api.SecretInfo{{Version: 1, Hint: "kf_…abcd", State: api.SecretCurrent, CreatedAt: now}},
			})
		}
		if p+1 < listPages {
			list.NextPageToken = strconv.Itoa(p + 1)
		}
		doc, err := json.Marshal(list)
		if err != nil {
			tb.Fatal(err)
		}
		pages[p] = doc
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page_token"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(pages[page])
	}))
	tb.Cleanup(server.Close)
	return server.URL
}

func listEnv(url string) []string {
	return []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "KEYFOB_ORG=acme", "KEYFOB_URL=" + url, "KEYFOB_TOKEN=" + secret.New(secret.Session).Reveal()}
}

// TestListMemory holds that memory does not grow with a list: 100 000 keys as JSON in at most 40 MB.
func TestListMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the figure is for linux/amd64")
	}
	dir := t.TempDir()
	build(t, dir, "cmd/keyfob", "test/gate/rss")
	url := manyKeys(t)
	for _, format := range []string{"json", "table"} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "rss"), filepath.Join(dir, "keyfob"), "keys", "list", "-o", format)
		cmd.Env = listEnv(url)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		kib, err := strconv.Atoi(strings.TrimSpace(string(out)))
		if err != nil || kib > 40_000_000/1024 {
			t.Errorf("%s: %d KiB resident: %v", format, kib, err)
		}
		t.Logf("%s: %d KiB resident", format, kib)
	}
}

// BenchmarkKeysList100k compares `keys list -o json` of 100 000 keys with curl over the same pages of the same service on one
// connection, turn by turn; medians. Bound: 2 times curl.
func BenchmarkKeysList100k(b *testing.B) {
	need(b, "curl")
	k := newKeyfob(b)
	service := manyStored(b, k)
	k.env = append(k.env, "KEYFOB_URL="+service.url, "KEYFOB_TOKEN="+service.session, "KEYFOB_ORG=acme")
	dir := b.TempDir()
	header, config := filepath.Join(dir, "header"), filepath.Join(dir, "pages")
	write(b, header, "Authorization: Bearer "+service.session+"\n")
	write(b, config, service.pages(b))

	var ours, curls []time.Duration
	for b.Loop() {
		ours = append(ours, timed(func() { k.output(b, "keyfob", "keys", "list", "-o", "json") }))
		curls = append(curls, timed(func() { k.output(b, "curl", "-sSf", "-H", "@"+header, "-K", config) }))
	}
	slices.Sort(ours)
	slices.Sort(curls)
	our, curl := ours[len(ours)/2], curls[len(curls)/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(our.Seconds()*1000, "ms-keys-list")
	b.ReportMetric(curl.Seconds()*1000, "ms-curl")
	b.ReportMetric(our.Seconds()/curl.Seconds(), "times-curl")
}

type stored struct{ url, session string }

// manyStored runs a service with 100 000 keys, written past it: making them one by one would take minutes.
func manyStored(b *testing.B, k keyfob) stored {
	b.Helper()
	data := b.TempDir()
	var made struct {
		Org     struct{ ID string }
		Session string
	}
	decode(b, k.output(b, "keyfobd", "bootstrap", "--data-dir", data, "--org", "acme", "--user", "bench"), &made)
	db, err := sql.Open("sqlite", filepath.Join(data, "keyfob.db"))
	if err != nil {
		b.Fatal(err)
	}
	_, err = db.ExecContext(b.Context(), `
		CREATE TEMP TABLE n AS WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < $1 - 1) SELECT n FROM c;
		INSERT INTO keys (id, org_id, name, folded_name, disabled, tags, created_at, created_by_type, created_by_id, created_by_name,
				updated_at, revision, used_at)
			SELECT 'key_' || printf('%026d', n), $2, 'key ' || n, 'key ' || n, 0, '{"env":"prod"}', 1e15 + n, 'user', 'usr_1', 'Ada',
				1e15 + n, 1, 0 FROM n;
		INSERT INTO secrets (key_id, version, state, hint, digest, pepper_id, created_at)
			SELECT 'key_' || printf('%026d', n), 1, 'current', 'kf_…abcd', randomblob(32), 'p', 1e15 + n FROM n;`,
		listPages*listPage, made.Org.ID)
	if err := errors.Join(err, db.Close()); err != nil {
		b.Fatal(err)
	}
	var ready struct{ Service struct{ URL string } }
	k.background(b, &ready, "keyfobd", "serve", "-o", "json", "--listen", "127.0.0.1:0", "--data-dir", data)
	return stored{ready.Service.URL, made.Session}
}

// pages is curl's configuration for every page of the list.
func (s stored) pages(b *testing.B) string {
	b.Helper()
	const list = "/v1/orgs/acme/keys?limit=1000"
	var urls strings.Builder
	for token, more := "", true; more; more = token != "" {
		address := s.url + list
		if token != "" {
			address += "&page_token=" + token
		}
		fmt.Fprintf(&urls, "url = %q\n", address)
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, address, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.session)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		var page struct {
			NextPageToken string `json:"next_page_token"`
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			b.Fatalf("status %d: %v", res.StatusCode, err)
		}
		token = page.NextPageToken
	}
	return urls.String()
}

func write(b *testing.B, path, text string) {
	b.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}
