package mcpclient

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// What follows reads links as the vendors' programs do, without net/url and encoding/base64.

// percentDecode is decodeURIComponent of ECMAScript for byte strings: a stray % is an error, + stays +.
func percentDecode(s string) (string, error) {
	const digits = "0123456789abcdef"
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errors.New("URI malformed")
		}
		hi := strings.IndexByte(digits, s[i+1]|0x20)
		lo := strings.IndexByte(digits, s[i+2]|0x20)
		if hi < 0 || lo < 0 {
			return "", errors.New("URI malformed")
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), nil
}

// formDecode is a value of URLSearchParams: + is a blank.
func formDecode(s string) (string, error) { return percentDecode(strings.ReplaceAll(s, "+", " ")) }

// unbase64 is atob: RFC 4648 section 4 with padding.
func unbase64(s string) (string, error) {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	body := strings.TrimRight(s, "=")
	if len(s)%4 != 0 || len(s)-len(body) > 2 {
		return "", errors.New("base64 without its padding")
	}
	var (
		out  []byte
		acc  int
		bits int
	)
	for i := range len(body) {
		v := strings.IndexByte(digits, body[i])
		if v < 0 {
			return "", errors.New("not a base64 digit")
		}
		if acc, bits = acc<<6|v, bits+6; bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	return string(out), nil
}

// readVSCode is URI.parse, which decodes the query once, and then the handler's JSON.parse(decodeURIComponent(query)).
func readVSCode(tb testing.TB, link string) string {
	tb.Helper()
	query, ok := strings.CutPrefix(link, "vscode:mcp/install?")
	if !ok || strings.ContainsAny(query, "#?&= \"'<>") {
		tb.Fatalf("not an install link: %s", link)
	}
	for range 2 {
		var err error
		if query, err = percentDecode(query); err != nil {
			tb.Fatalf("%s: %v", link, err)
		}
	}
	return query
}

func readCursor(tb testing.TB, link string) (name, config string) {
	tb.Helper()
	values := readQuery(tb, link, "cursor://anysphere.cursor-deeplink/mcp/install?", "name", "config")
	config, err := unbase64(values["config"])
	if err != nil {
		tb.Fatalf("%s: %v", link, err)
	}
	return values["name"], config
}

// readQuery reads a query as URLSearchParams does; it has exactly these names.
func readQuery(tb testing.TB, link, start string, names ...string) map[string]string {
	tb.Helper()
	query, ok := strings.CutPrefix(link, start)
	if !ok || strings.ContainsAny(query, "#? \"'<>") {
		tb.Fatalf("not an install link: %s", link)
	}
	values := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		decoded, err := formDecode(value)
		if err != nil {
			tb.Fatalf("%s: %v", link, err)
		}
		values[key] = decoded
	}
	if got := slices.Sorted(maps.Keys(values)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		tb.Fatalf("%s: it has %q, want %q", link, got, names)
	}
	return values
}

// readGoose is parseDeepLink of Goose Desktop: each header is split at "=", two parts are kept, and the value is decoded once
// more.
func readGoose(tb testing.TB, link string) (name, url, header, value string) {
	tb.Helper()
	values := readQuery(tb, link, "goose://extension?", "name", "id", "type", "url", "header")
	if values["type"] != "streamable_http" || values["id"] != values["name"] {
		tb.Fatalf("not a link for Streamable HTTP: %s", link)
	}
	parts := strings.Split(values["header"], "=")
	value, err := percentDecode(parts[1])
	if err != nil {
		tb.Fatalf("%s: %v", link, err)
	}
	return values["name"], values["url"], parts[0], value
}

// checkOtherLinks reads the links of the clients that took over Cursor's or Visual Studio Code's notation, each with its
// own envelope.
func checkOtherLinks(tb testing.TB, p Params, wantOuter, wantInner, wantURL string) {
	tb.Helper()
	lm := readQuery(tb, setup(tb, "lm-studio", p).URL, "lmstudio://add_mcp?", "name", "config")
	trae := readQuery(tb, setup(tb, "trae", p).URL, "trae://trae.ai-ide/mcp-import?", "type", "name", "config")
	for id, values := range map[string]map[string]string{"lm-studio": lm, "trae": trae} {
		if got, err := unbase64(values["config"]); err != nil || got != wantInner || values["name"] != p.Name {
			tb.Errorf("%s: name %s, %v\ngot  %s\nwant %s", id, values["name"], err, got, wantInner)
		}
	}
	if trae["type"] != "streamable-http" {
		tb.Errorf("trae: type %s", trae["type"])
	}
	kiro := readQuery(tb, setup(tb, "kiro", p).URL, "https://kiro.dev/launch/mcp/add?", "name", "config")
	if kiro["name"] != p.Name || kiro["config"] != wantInner {
		tb.Errorf("kiro: name %s\ngot  %s\nwant %s", kiro["name"], kiro["config"], wantInner)
	}
	vs, ok := strings.CutPrefix(setup(tb, "visual-studio", p).URL, "vsweb+mcp:/install?")
	got, err := percentDecode(vs)
	if !ok || err != nil || got != wantOuter || strings.ContainsAny(vs, "#?&= \"'<>") {
		tb.Errorf("visual-studio: %v\ngot  %s\nwant %s", err, got, wantOuter)
	}
	name, url, header, value := readGoose(tb, setup(tb, "goose", p).URL)
	if name != p.Name || url != wantURL || header != "Authorization" || value != "Bearer "+testKey {
		tb.Errorf("goose: %s, %s, %s: %s", name, url, header, value)
	}
	insiders, ok := strings.CutPrefix(setup(tb, "vscode-insiders", p).URL, "vscode-insiders:")
	if !ok || "vscode:"+insiders != setup(tb, "vscode", p).URL {
		tb.Errorf("vscode-insiders: %s", insiders)
	}
}

func checkLinks(tb testing.TB, p Params, wantURL string) {
	tb.Helper()
	code, cur := setup(tb, "vscode", p), setup(tb, "cursor", p)
	wantCode := `{"name":"` + p.Name + `","type":"http","url":"` + wantURL + `","headers":{"Authorization":"Bearer ` + testKey + `"}}`
	if got := readVSCode(tb, code.URL); got != wantCode || code.Argv[2] != wantCode {
		tb.Errorf("vscode\nlink %s\nargv %s\nwant %s", got, code.Argv[2], wantCode)
	}
	wantInner := `{"url":"` + wantURL + `","headers":{"Authorization":"Bearer ` + testKey + `"}}`
	if name, got := readCursor(tb, cur.URL); name != p.Name || got != wantInner {
		tb.Errorf("cursor: name %s\ngot  %s\nwant %s", name, got, wantInner)
	}
	checkOtherLinks(tb, p, wantCode, wantInner, wantURL)
	if !json.Valid([]byte(wantCode)) || !json.Valid([]byte(wantInner)) {
		tb.Errorf("not JSON: %s", wantCode)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		testURL, "http://127.0.0.1:7420/mcp", "http://[::1]:7420/mcp", "https://h/x?a=b&c=d", "https://h/x?a=b+c&d=%2B", "https://h/a%20b/%25/%C3%A9",
		"https://h/%25PATH%25", "https://h/~~~~~~/x", "https://h/x?a==,,@@::",
	} {
		p := params(t)
		p.URL = raw
		checkLinks(t, p, raw)
	}
}

// Base64 with + and / comes out of the link only if they were percent-encoded.
func TestCursorLinkWithPlusInBase64(t *testing.T) {
	t.Parallel()
	plus, slash := 0, 0
	for _, path := range []string{"~~~", "a~~~", "ab~~~", "x?a=1&b=2", "xy?a=1", "xyz?a=1"} {
		p := params(t)
		p.URL = "https://h/" + path
		link := setup(t, "cursor", p).URL
		checkLinks(t, p, p.URL)
		plus += strings.Count(link, "%2B")
		slash += strings.Count(link, "%2F")
	}
	if plus == 0 || slash == 0 {
		t.Errorf("%d times +, %d times /: the test shows nothing", plus, slash)
	}
}

// Every link begins as its client's facts say, and no other client has one.
func TestLinkOfFacts(t *testing.T) {
	t.Parallel()
	for _, c := range Clients() {
		link := setup(t, c.ID, params(t)).URL
		if c.Kind == KindURL {
			link = ""
		}
		if strings.HasPrefix(link, c.Link+"?") != (c.Link != "") || c.Link == "" && link != "" || c.Opens && c.Link == "" {
			t.Errorf("%s: link %q, want one that begins with %q", c.ID, link, c.Link)
		}
	}
}

// The forms that were written down beside the vendors' rules.
func TestOtherLinksAgainstRecordedOnes(t *testing.T) {
	t.Parallel()
	const inner = `{"url":"https://mcp.acme.dev/mcp","headers":{"Authorization":"Bearer sk_live_x"}}`
	const packed = "eyJ1cmwiOiJodHRwczovL21jcC5hY21lLmRldi9tY3AiLCJoZWFkZXJzIjp7IkF1dGhvcml6YXRpb24iOiJCZWFyZXIgc2tfbGl2ZV94In19"
	if got, want := nameAndConfig("acme", inner), "name=acme&config="+packed; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const goose = "goose://extension?name=acme&id=acme&type=streamable_http&url=https%3A%2F%2Fmcp.acme.dev%2Fmcp&header=Authorization%3DBearer%2520sk_live_x"
	if got := gooseLink("acme", testURL, "Bearer sk_live_x"); got != goose {
		t.Errorf("got  %s\nwant %s", got, goose)
	}
}

func FuzzLinks(f *testing.F) {
	f.Add("acme", "mcp", "")
	f.Add("a_b-9", "a%2fb/~'\"\\", "x=1&y=%25+")
	f.Fuzz(func(t *testing.T, name, path, query string) {
		p := params(t)
		p.Name, p.URL = name, "https://mcp.acme.dev/"+path+"?"+query
		u, err := canonicalURL(p.URL)
		if err != nil || checkName(name) != nil {
			return
		}
		checkLinks(t, p, u.String())
	})
}
