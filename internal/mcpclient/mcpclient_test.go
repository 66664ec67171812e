package mcpclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	testKey = "kf_0123456789ABCDEFGHIJabcdefghij001p4u1H"
	testURL = "https://mcp.acme.dev/mcp"
)

func params(tb testing.TB) Params {
	tb.Helper()
	key, err := secret.Parse(secret.Key, testKey)
	if err != nil {
		tb.Fatal(err)
	}
	return Params{Name: "acme", URL: testURL, Secret: key, Shell: shellquote.Sh}
}

func setup(tb testing.TB, id string, p Params) Setup {
	tb.Helper()
	c, ok := Lookup(id)
	if !ok {
		tb.Fatalf("no client %s", id)
	}
	s, err := c.Setup(p)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestSetups(t *testing.T) {
	t.Parallel()
	const config = `{"name":"acme","type":"http","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer ` + testKey + `"}}`
	for _, tc := range []struct {
		id   string
		want Setup // without Steps
	}{
		{"claude-code", Setup{
			Kind: KindCommand,
			Argv: []string{"claude", "mcp", "add", "--transport", "http", "--scope", "user", "acme", testURL, "--header", "Authorization: Bearer " + testKey},
			Text: "claude mcp add --transport http --scope user acme https://mcp.acme.dev/mcp --header 'Authorization: Bearer " + testKey + "'",
			Note: "Claude Code does not replace an entry: if it has acme already, run first: claude mcp remove acme --scope user",
		}},
		{"codex", Setup{
			Kind: KindCommand,
			Argv: []string{"codex", "mcp", "add", "acme", "--url", testURL + "?api_key=" + testKey},
			Text: "codex mcp add acme --url 'https://mcp.acme.dev/mcp?api_key=" + testKey + "'",
			Note: "codex has no flag for a header, so the key stands in the URL and in ~/.codex/config.toml; --apply keeps it out of both",
		}},
		{"vscode", Setup{
			Kind: KindCommand,
			Argv: []string{"code", "--add-mcp", config},
			URL:  "vscode:mcp/install?%7B%22name%22%3A%22acme%22%2C%22type%22%3A%22http%22%2C%22url%22%3A%22https%3A%2F%2Fmcp.acme.dev%2Fmcp%22%2C%22headers%22%3A%7B%22Authorization%22%3A%22Bearer%20" + testKey + "%22%7D%7D",
			Text: "code --add-mcp '" + config + "'",
		}},
		{"cursor", Setup{
			Kind: KindLink,
			URL: "cursor://anysphere.cursor-deeplink/mcp/install?name=acme&config=eyJ1cmwiOiJodHRwczovL21jcC5hY21lLmRldi9tY3AiLCJoZWFkZXJzIjp7IkF1dGhvcml6YXRpb24iOiJCZWFyZXIga2Zf" +
				"MDEyMzQ1Njc4OUFCQ0RFRkdISUphYmNkZWZnaGlqMDAxcDR1MUgifX0%3D",
		}},
		{"claude-desktop", Setup{Kind: KindURL, URL: testURL + "?api_key=" + testKey}},
		{"chatgpt", Setup{Kind: KindURL, URL: testURL + "?api_key=" + testKey}},
	} {
		t.Run(tc.id, func(t *testing.T) {
			t.Parallel()
			got := setup(t, tc.id, params(t))
			tc.want.Client, tc.want.Steps = tc.id, got.Steps
			if tc.want.Text == "" {
				tc.want.Text = tc.want.URL
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if needs := got.Kind != KindCommand; needs != (len(got.Steps) > 0) {
				t.Errorf("%d steps for a %s", len(got.Steps), got.Kind)
			}
		})
	}
}

// The forms in which the vendors' own readers were checked, character for character.
func TestLinksAgainstRecordedOnes(t *testing.T) {
	t.Parallel()
	const inner = `{"url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer sk_live_x"}}`
	const want = "cursor://anysphere.cursor-deeplink/mcp/install?name=acme&config=eyJ1cmwiOiJodHRwczovL21jcC5hY21lLmRldi9tY3AiLCJoZWFkZXJzIjp7IkF1dGhvcml6YXRpb24iOiJCZWFyZXIgc2tfbGl2ZV94In19"
	if got := cursorLink("acme", inner); got != want {
		t.Errorf("cursor\ngot  %s\nwant %s", got, want)
	}
	const outer = `{"name":"acme","type":"http","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer sk_live_x"}}`
	const wantVS = "vscode:mcp/install?%7B%22name%22%3A%22acme%22%2C%22type%22%3A%22http%22%2C%22url%22%3A%22https%3A%2F%2Fmcp.acme.dev%2Fmcp%22%2C%22headers%22%3A%7B%22Authorization%22%3A%22Bearer%20sk_live_x%22%7D%7D"
	if got := vsCodeLink("vscode", outer); got != wantVS {
		t.Errorf("vscode\ngot  %s\nwant %s", got, wantVS)
	}
}

func TestWindowsLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		id   string
		sh   shellquote.Shell
		want string
	}{
		{"claude-code", shellquote.PowerShell, `claude mcp add --transport http --scope user acme 'https://mcp.acme.dev/mcp' --header 'Authorization: Bearer KEY'`},
		{"claude-code", shellquote.Cmd, `claude mcp add --transport http --scope user acme https://mcp.acme.dev/mcp --header "Authorization: Bearer KEY"`},
		{"codex", shellquote.PowerShell, `codex mcp add acme --url 'https://mcp.acme.dev/mcp?api_key=KEY'`},
		{"codex", shellquote.Cmd, `codex mcp add acme --url "https://mcp.acme.dev/mcp?api_key=KEY"`},
		{"vscode", shellquote.PowerShell, `code --add-mcp '{\"name\":\"acme\",\"type\":\"http\",\"url\":\"https://mcp.acme.dev/mcp\",\"headers\":{\"Authorization\":\"Bearer KEY\"}}'`},
		{"vscode", shellquote.Cmd, `code --add-mcp "{\"name\":\"acme\",\"type\":\"http\",\"url\":\"https://mcp.acme.dev/mcp\",\"headers\":{\"Authorization\":\"Bearer KEY\"}}"`},
		{"vscode", shellquote.Fish, `code --add-mcp '{"name":"acme","type":"http","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}'`},
	} {
		p := params(t)
		p.Shell = tc.sh
		if got, want := setup(t, tc.id, p).Text, strings.ReplaceAll(tc.want, "KEY", testKey); got != want {
			t.Errorf("%s for %s\ngot  %s\nwant %s", tc.id, tc.sh, got, want)
		}
	}
	for _, id := range []string{"claude-code", "codex", "vscode"} {
		c, _ := Lookup(id)
		p := params(t)
		p.URL, p.Shell = testURL+"/%25PATH%25", shellquote.Cmd
		if s, err := c.Setup(p); !errors.Is(err, shellquote.ErrUnquotable) || s.Text != "" || strings.Contains(err.Error(), testKey) {
			t.Errorf("%s for cmd with %% in the URL: %+v, %v", id, s, err)
		}
		p.Shell = "csh"
		if _, err := c.Setup(p); !errors.Is(err, shellquote.ErrShell) {
			t.Errorf("%s for csh: %v", id, err)
		}
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	var ids, featured, opens []string
	for _, c := range Clients() {
		ids = append(ids, c.ID)
		if c.Opens {
			opens = append(opens, c.ID)
		}
		if c.Featured {
			featured = append(featured, c.ID)
		}
		if _, err := time.Parse(time.DateOnly, c.Facts.Checked); err != nil || c.Title == "" || c.Facts.Source == "" {
			t.Errorf("%s: %q %+v", c.ID, c.Title, c.Facts)
		}
		if got, ok := Lookup(c.ID); !ok || got.ID != c.ID {
			t.Errorf("Lookup(%s) = %+v, %v", c.ID, got, ok)
		}
		if c.ID == "" || strings.Trim(c.ID, lower+"-") != "" {
			t.Errorf("id %q", c.ID)
		}
	}
	want := []string{"claude-code", "codex", "vscode", "cursor", "claude-desktop", "chatgpt"}
	if !slices.Equal(featured, want) || !slices.Equal(ids[:len(want)], want) {
		t.Errorf("featured %q, first %q, want %q", featured, ids[:len(want)], want)
	}
	if rest := ids[len(want):]; !slices.IsSorted(rest) || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) || len(ids) < 40 {
		t.Errorf("%d ids, not sorted or not unique: %q", len(ids), ids)
	}
	if !slices.Equal(opens, []string{"cursor", "goose", "lm-studio"}) {
		t.Errorf("opening clients %q", opens)
	}
	if _, ok := Lookup("vs-code"); ok {
		t.Error("found vs-code")
	}
}

// Only the payload holds the key.
func TestSecretStaysInThePayload(t *testing.T) {
	t.Parallel()
	p := params(t)
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{string(asJSON), fmt.Sprintf("%v %+v %#v %s %q %x", p, p, p, p, p, p), fmt.Sprintf("%v %+v", &p, &p)}
	for _, c := range Clients() {
		s := setup(t, c.ID, p)
		printed = append(printed, s.Note)
		printed = append(printed, s.Steps...)
	}
	for _, s := range printed {
		if strings.Contains(s, testKey) || strings.Contains(s, testKey[3:20]) {
			t.Errorf("holds the key: %s", s)
		}
	}
}

func TestCloudNote(t *testing.T) {
	t.Parallel()
	for raw, public := range map[string]bool{
		"https://mcp.acme.dev/mcp": true, "https://93.184.216.34/mcp": true, "https://[2606:2800::1]/": true,
		"http://mcp.acme.dev/mcp": false, "http://127.0.0.1:7420/mcp": false, "https://127.0.0.1/mcp": false, "https://localhost/mcp": false,
		"https://a.localhost/mcp": false, "https://printer.local./mcp": false, "https://10.1.2.3/mcp": false, "https://[::1]/mcp": false,
		"https://[fd00::1]/mcp": false, "https://169.254.1.1/": false, "https://intranet/mcp": false,
	} {
		for _, id := range []string{"claude-desktop", "chatgpt"} {
			p := params(t)
			p.URL = raw
			if got := setup(t, id, p).Note == ""; got != public {
				t.Errorf("%s for %s: no note is %v, want %v", raw, id, got, public)
			}
		}
	}
}
