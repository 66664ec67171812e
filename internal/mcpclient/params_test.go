package mcpclient

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "7", "acme", "a_b-c", "keyfob", strings.Repeat("a", 63)} {
		if err := checkName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "-a", "_a", "A", "aB", "a b", "a.b", "a/b", "é", "a\n", "a\x00", "a'", `a"`, "a;b", "$(id)", "../x", "a\u202e", strings.Repeat("a", 64),
		"workspace", "claude-in-chrome", "computer-use", testKey,
	} {
		p := params(t)
		p.Name = bad
		for _, c := range Clients() {
			_, err := c.Setup(p)
			if !errors.Is(err, ErrName) {
				t.Fatalf("%s, name %q: %v, want ErrName", c.ID, bad, err)
			}
			if strings.Contains(err.Error(), testKey) {
				t.Errorf("the error repeats a name that is a key: %v", err)
			}
		}
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://mcp.acme.dev/mcp":                 "https://mcp.acme.dev/mcp",
		"HTTPS://MCP.Acme.dev:8443/MCP":            "https://mcp.acme.dev:8443/MCP",
		"http://127.0.0.1:7420/mcp":                "http://127.0.0.1:7420/mcp",
		"http://[::1]:7420/mcp":                    "http://[::1]:7420/mcp",
		"http://[2001:DB8:0::1]/":                  "http://[2001:db8::1]/",
		"https://h":                                "https://h/",
		"https://h?":                               "https://h/",
		"https://h:/x":                             "https://h/x",
		"https://my_host.internal/mcp":             "https://my_host.internal/mcp",
		`https://h/a'b"c` + "`$()!;&*|<>^{}[] /~é": "https://h/a%27b%22c%60%24%28%29%21%3B%26%2A%7C%3C%3E%5E%7B%7D%5B%5D%20/~%C3%A9",
		`https://h/a\b`:                            "https://h/a%5Cb",
		"https://h/a%2fb%2Fc%20d":                  "https://h/a%2Fb%2Fc%20d",
		"https://h/a%27":                           "https://h/a%27",
		"https://h/x?a=b&c=d+e%2b":                 "https://h/x?a=b&c=d+e%2B",
		"https://h/x?a='$(id)'*?":                  "https://h/x?a=%27%24%28id%29%27%2A%3F",
		"https://h/x?api_keys=1":                   "https://h/x?api_keys=1",
		"https://h//a/../b":                        "https://h//a/../b",
	} {
		u, err := canonicalURL(raw)
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if got := u.String(); got != want {
			t.Errorf("%q\ngot  %s\nwant %s", raw, got, want)
		}
	}
}

func TestURLsRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "mcp.acme.dev", "/mcp", "//h/mcp", "ftp://h/", "javascript:alert(1)", "file:///etc/passwd", "https:h/x", "https:/h/x", "https:///x", "https://", "https://:80/",
		"https://me@h/", "https://me:topsecret@h/", "https://good@evil/topsecret", "https://h/x#f", "https://h/x#",
		"https://h/x?api_key=topsecret", "https://h/x?a=b&api_key=", "https://h/x?api%5Fkey=topsecret", "https://h/x?a;b", "https://h/x?a=%zz", "https://h/%zz", "https://h/%",
		"https://h/\n", "https://h/\x00", "https://h\u202e/", "https://müller.de/", "https://１２７.0.0.1/", "https://h'x/", "https://$(id)/", "https://a b/", `https://a\@b/`,
		"https://-h/", "https://.h/", "https://h:0/", "https://h:65536/", "https://h:x/", "https://[::1/", "https://[fe80::1%25eth0]/", "https://[127.0.0.1]/", "https://[::1]x/", " https://h/",
		"https://h/" + strings.Repeat("x", 2048),
	} {
		p := params(t)
		p.URL = bad
		for _, c := range Clients() {
			s, err := c.Setup(p)
			if !errors.Is(err, ErrURL) {
				t.Errorf("%q: %v, %v, want ErrURL", bad, s, err)
				break
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the error repeats the URL: %v", err)
			}
		}
	}
}

// A session's token must never end up in a setup.
func TestSecretMustBeOfAKey(t *testing.T) {
	t.Parallel()
	for _, s := range []secret.Secret{{}, secret.New(secret.Session)} {
		p := params(t)
		p.Secret = s
		for _, c := range Clients() {
			if _, err := c.Setup(p); !errors.Is(err, ErrSecret) {
				t.Errorf("%s, %v: %v, want ErrSecret", c.ID, s, err)
			}
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{testURL, "https://h/a'b%2f?x=1&y", "http://[::1]:1/", "https://h/%25", "https://h/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := canonicalURL(raw)
		if err != nil {
			if !errors.Is(err, ErrURL) {
				t.Fatal(err)
			}
			return
		}
		got := u.String()
		if i := strings.IndexFunc(got, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?&=@+,%[]", r)
		}); i >= 0 {
			t.Fatalf("%q keeps %q in %s", raw, got[i], got)
		}
		again, err := canonicalURL(got)
		if err != nil {
			if len(got) > maxURL { // escaping made it longer
				return
			}
			t.Fatalf("%q: its canonical form %s is refused: %v", raw, got, err)
		}
		if again.String() != got {
			t.Fatalf("%q: %s, then %s", raw, got, again)
		}
	})
}
