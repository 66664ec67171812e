package mcpclient

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestRecordedEntries holds entries to those with which the clients' own programs were seen to connect, or which their
// source or manual shows.
func TestRecordedEntries(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		id   string
		rung Rung
		want string
	}{
		{"claude-code", RungLiteral, `{"type":"http","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}`},
		{"claude-code", RungHelper, `{"type":"http","url":"https://mcp.acme.dev/mcp","headersHelper":"/usr/bin/keyfob mcp headers"}`},
		{"codex", RungLiteral, `{"url":"https://mcp.acme.dev/mcp","http_headers":{"Authorization":"Bearer KEY"}}`},
		{"codex", RungHelper, `{"url":"https://mcp.acme.dev/mcp","http_headers_helper":"/usr/bin/keyfob mcp headers"}`},
		{"codex", RungEnv, `{"url":"https://mcp.acme.dev/mcp","bearer_token_env_var":"ACME_API_KEY"}`},
		{"vscode", RungLiteral, `{"type":"http","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}`},
		{"cursor", RungEnv, `{"url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer ${env:ACME_API_KEY}"}}`},
		{"claude-desktop", RungProxy, `{"command":"/usr/bin/keyfob","args":["mcp","proxy"]}`},
		{"gemini-cli", RungLiteral, `{"url":"https://mcp.acme.dev/mcp","type":"http","headers":{"Authorization":"Bearer KEY"}}`},
		{"copilot-cli", RungLiteral, `{"tools":["*"],"type":"http","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}`},
		{"opencode", RungLiteral, `{"type":"remote","url":"https://mcp.acme.dev/mcp","oauth":false,"headers":{"Authorization":"Bearer KEY"},"enabled":true}`},
		{"opencode", RungEnv, `{"type":"remote","url":"https://mcp.acme.dev/mcp","oauth":false,"headers":{"Authorization":"Bearer {env:ACME_API_KEY}"},"enabled":true}`},
		{"qwen-code", RungLiteral, `{"httpUrl":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}`},
		{"cline", RungLiteral, `{"transport":{"type":"streamableHttp","url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}}`},
		{"openclaw", RungLiteral, `{"url":"https://mcp.acme.dev/mcp","transport":"streamable-http","headers":{"Authorization":"Bearer KEY"}}`},
		{"windsurf", RungLiteral, `{"serverUrl":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}`},
		{"antigravity", RungLiteral, `{"serverUrl":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer KEY"}}`},
		{"copilot-jetbrains", RungLiteral, `{"url":"https://mcp.acme.dev/mcp","requestInit":{"headers":{"Authorization":"Bearer KEY"}}}`},
		{"continue", RungEnv, `{"type":"streamable-http","url":"https://mcp.acme.dev/mcp","requestOptions":{"headers":{"Authorization":"Bearer ${{ secrets.ACME_API_KEY }}"}}}`},
		{"fx", RungEnv, `{"type":"http","url":"https://mcp.acme.dev/mcp","enabled":true,"bearer_token_env":"ACME_API_KEY"}`},
	} {
		c := known(t, tc.id)
		a := map[Rung]Auth{
			RungLiteral: {Rung: RungLiteral, Literal: params(t).Secret}, RungEnv: {Rung: RungEnv, EnvVar: "ACME_API_KEY"},
			RungHelper: {Rung: RungHelper, Helper: []string{"/usr/bin/keyfob", "mcp", "headers"}},
			RungProxy:  {Rung: RungProxy, Proxy: []string{"/usr/bin/keyfob", "mcp", "proxy"}},
		}[tc.rung]
		entry, _, err := c.Entry(firstTarget(t, c, ScopeUser), params(t), a)
		if err != nil {
			t.Errorf("%s: %v", tc.id, err)
			continue
		}
		var b strings.Builder
		if err := writeJSON(&b, entry, ""); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(tc.want, "Bearer KEY", "Bearer "+testKey)
		if got := squeeze(b.String()); got != squeeze(want) {
			t.Errorf("%s, %s\ngot  %s\nwant %s", tc.id, tc.rung, got, squeeze(want))
		}
	}
}

// squeeze takes out blanks, which no two values of the table differ in alone.
func squeeze(s string) string { return strings.NewReplacer(" ", "", "\n", "").Replace(s) }

func TestEntryRefuses(t *testing.T) {
	t.Parallel()
	claude, project := known(t, "claude-code"), Target{Scope: ScopeProject}
	user := Target{Scope: ScopeUser}
	key := params(t).Secret
	for _, tc := range []struct {
		name string
		c    Client
		t    Target
		p    Params
		a    Auth
		want error
	}{
		{"no rung", claude, user, params(t), Auth{Literal: key}, ErrAuth},
		{"nothing", claude, user, params(t), Auth{Rung: RungLiteral}, ErrAuth},
		{"two", claude, user, params(t), Auth{Rung: RungLiteral, Literal: key, EnvVar: "X"}, ErrAuth},
		{"a key as a variable", claude, user, params(t), Auth{Rung: RungEnv, EnvVar: "kf-" + testKey}, ErrAuth},
		{"a session", claude, user, params(t), Auth{Rung: RungLiteral, Literal: secret.New(secret.Session)}, ErrSecret},
		{"no helper", known(t, "cursor"), user, params(t), Auth{Rung: RungHelper, Helper: []string{"/x"}}, ErrRung},
		{"no literal", known(t, "claude-desktop"), user, params(t), Auth{Rung: RungLiteral, Literal: key}, ErrRung},
		{"no variable in a project", known(t, "kilo"), project, params(t), Auth{Rung: RungEnv, EnvVar: "X"}, ErrRung},
		{"no project", known(t, "goose"), project, params(t), Auth{Rung: RungLiteral, Literal: key}, ErrRung},
		{"no file", known(t, "chatgpt"), user, params(t), Auth{Rung: RungLiteral, Literal: key}, ErrRung},
		{"name", claude, user, Params{Name: "a b", URL: testURL}, Auth{Rung: RungLiteral, Literal: key}, ErrName},
		{"url", claude, user, Params{Name: "acme", URL: "mcp"}, Auth{Rung: RungLiteral, Literal: key}, ErrURL},
		{"a line break", claude, user, params(t), Auth{Rung: RungHelper, Helper: []string{"/x", "a\nb"}}, shellquote.ErrUnquotable},
		{"a percent sign for cmd", claude, Target{Scope: ScopeUser, windows: true}, params(t), Auth{Rung: RungHelper, Helper: []string{`C:\%x%\k.exe`}}, shellquote.ErrUnquotable},
	} {
		entry, drop, err := tc.c.Entry(tc.t, tc.p, tc.a)
		if !errors.Is(err, tc.want) || entry != nil || drop != nil || strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: %v, %v, %v, want %v", tc.name, entry, drop, err, tc.want)
		}
	}
}

// TestReadWhatOthersWrote reads entries that no Entry made.
func TestReadWhatOthersWrote(t *testing.T) {
	t.Parallel()
	key := params(t).Secret
	type m = map[string]any
	for _, tc := range []struct {
		name, id string
		value    any
		want     Found
	}{
		{"key in the URL", "codex", m{"url": testURL + "?x=1&api_key=" + testKey}, Found{URL: testURL + "?x=1", Rung: RungLiteral, Key: key}},
		{"another's key in the URL", "codex", m{"url": testURL + "?api_key=sk_other"}, Found{URL: testURL}},
		{"key in another parameter", "codex", m{"url": testURL + "?token=" + testKey}, Found{URL: testURL, Rung: RungLiteral, Key: key}},
		{"key in the path", "codex", m{"url": "https://h/" + testKey + "/mcp"}, Found{URL: "https:", Rung: RungLiteral, Key: key}},
		{"user in the URL", "cursor", m{"url": "https://me:pw@h/mcp"}, Found{URL: "https://h/mcp"}},
		{"variable in the URL", "cursor", m{"url": "https://${env:HOST}/mcp?api_key=x"}, Found{URL: "https://${env:HOST}/mcp"}},
		{"X-API-Key", "vscode", m{"url": testURL, "headers": m{"x-api-key": testKey}}, Found{URL: testURL, Rung: RungLiteral, Key: key}},
		{"lower case", "claude-code", m{"url": testURL, "headers": m{"authorization": "bearer " + testKey}}, Found{URL: testURL, Rung: RungLiteral, Key: key}},
		{"other literal", "claude-code", m{"url": testURL, "headers": m{"Authorization": "Bearer sk_x"}}, Found{URL: testURL, Rung: RungLiteral}},
		{"mistyped", "claude-code", m{"url": testURL, "headers": m{"Authorization": "Bearer " + testKey[:41] + "X"}}, Found{URL: testURL, Rung: RungLiteral}},
		{"default of a variable", "gemini-cli", m{"httpUrl": testURL, "headers": m{"Authorization": "Bearer ${K:-none}"}}, Found{URL: testURL, Rung: RungEnv, EnvVar: "K"}},
		{"bare variable", "gemini-cli", m{"url": testURL, "headers": m{"Authorization": "Bearer $K"}}, Found{URL: testURL, Rung: RungEnv, EnvVar: "K"}},
		{"sent as it is", "codex", m{"url": testURL, "http_headers": m{"Authorization": "Bearer ${K}"}}, Found{URL: testURL, Rung: RungLiteral}},
		{"header from a variable", "codex", m{"url": testURL, "env_http_headers": m{"X-API-Key": "K"}}, Found{URL: testURL, Rung: RungEnv, EnvVar: "K"}},
		{"prompt", "vscode", m{"url": testURL, "headers": m{"Authorization": "Bearer ${input:k}"}}, Found{URL: testURL}},
		{
			"a helper and a key left behind", "claude-code",
			m{"url": testURL, "headersHelper": `"/opt/k f" mcp headers`, "headers": m{"Authorization": "Bearer " + testKey}},
			Found{URL: testURL, Rung: RungHelper, Helper: []string{"/opt/k f", "mcp", "headers"}, Key: key},
		},
		{
			"mcp-remote", "claude-desktop",
			m{"command": "npx", "args": []any{"-y", "mcp-remote", testURL}, "env": m{"AUTH_HEADER": "Bearer " + testKey}},
			Found{URL: testURL, Rung: RungLiteral, Key: key, Argv: []string{"npx", "-y", "mcp-remote", testURL}},
		},
		{
			"key in arguments", "cursor",
			m{"command": "npx", "args": []any{"mcp-remote", testURL, "--header", "Authorization:Bearer " + testKey}},
			Found{URL: testURL, Rung: RungLiteral, Key: key, Argv: []string{"npx", "mcp-remote", testURL, "--header", "Authorization:Bearer " + testKey}},
		},
		{"another program", "cursor", m{"command": "uvx", "args": []any{"mcp", "proxy"}}, Found{Argv: []string{"uvx", "mcp", "proxy"}}},
		{"flat form of Cline", "cline", m{"type": "streamableHttp", "url": testURL, "headers": m{"Authorization": "Bearer " + testKey}}, Found{URL: testURL, Rung: RungLiteral, Key: key}},
		{"shorthand of Continue", "continue", m{"url": testURL, "apiKey": testKey}, Found{URL: testURL, Rung: RungLiteral, Key: key}},
		{"a key where none belongs", "zed", m{"url": testURL, "note": "was kf_x, now " + testKey + "."}, Found{URL: testURL, Rung: RungLiteral, Key: key}},
	} {
		got, ok := known(t, tc.id).Read(Target{}, edit.Entry{Value: tc.value})
		if !ok || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v\ngot  %+v\nwant %+v", tc.name, ok, got, tc.want)
		}
	}
	for _, none := range []any{nil, "x", int64(1), []any{}, m{}, m{"servers": m{"a": m{"url": testURL}}}, m{"url": int64(1)}, m{"url": m{}}} {
		if got, ok := known(t, "opencode").Read(Target{}, edit.Entry{Value: none}); ok || !reflect.DeepEqual(got.URL, "") {
			t.Errorf("%v is read as %+v", none, got)
		}
	}
}

// FuzzHelperLine holds that a line is read back as the words it was made of, on both sorts of OS.
func FuzzHelperLine(f *testing.F) {
	f.Add("/usr/bin/keyfob", "a'b", false)
	f.Add(`C:\Program Files\k.exe`, `a\`, true)
	f.Fuzz(func(t *testing.T, program, word string, windows bool) {
		argv := []string{program, "mcp", word}
		line, err := helperLine(windows, argv)
		if err != nil {
			return
		}
		if got := splitLine(line, windows); !reflect.DeepEqual(got, argv) {
			t.Errorf("%q\nline %s\nread %q", argv, line, got)
		}
	})
}

// FuzzRead holds that no entry makes Read panic or return a URL with a key in it.
func FuzzRead(f *testing.F) {
	f.Add("https://h/mcp?api_key="+testKey, "Bearer "+testKey, "kf_")
	f.Add("https://h/%zz?"+testKey, "${", "{{}}")
	f.Add("https://h/"+testKey+"?"+testKey, "$"+testKey, testKey+"@")
	f.Fuzz(func(t *testing.T, url, header, other string) {
		entry := map[string]any{"url": url, "serverUrl": url, "command": other, "args": []any{url, other}, "headers": map[string]any{"Authorization": header, other: header}}
		for _, c := range Clients() {
			got, _ := c.Read(Target{windows: len(other)%2 == 0}, edit.Entry{Value: entry})
			if strings.Contains(got.URL, testKey) {
				t.Fatalf("%s: %+v", c.ID, got.URL)
			}
		}
	})
}
