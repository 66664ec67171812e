package core_test

import (
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ada@Example.COM":                 "ada@example.com",
		"o'neil+x_y-z@sub.example":        "o'neil+x_y-z@sub.example",
		"ÉLISE@exämple.com":               "élise@exämple.com",
		"E\u0301LISE@example.com":         "élise@example.com",
		"用户@例子.广告":                        "用户@例子.广告",
		"ς@example.com":                   "ς@example.com",
		strings.Repeat("a", 248) + "@b.c": strings.Repeat("a", 248) + "@b.c",
	} {
		got, err := core.NormalEmailForTest(in)
		if err != nil || got != want {
			t.Errorf("%q became %q, want %q: %v", in, got, want, err)
		}
		if again, err := core.NormalEmailForTest(got); err != nil || again != got {
			t.Errorf("%q became %q: %v", got, again, err)
		}
	}
	for in, text := range map[string]string{
		"":                                     "is not a name, one @ and a domain",
		"ada":                                  "is not a name, one @ and a domain",
		"@example.com":                         "is not a name, one @ and a domain",
		"ada@":                                 "is not a name, one @ and a domain",
		"a@b@c":                                "is not a name, one @ and a domain",
		"a@.b":                                 "a dot at an end of its domain",
		"a@b.":                                 "a dot at an end of its domain",
		"\x20a@b":                              "(U+0020)",
		"a@b\n":                                "(U+000A)",
		"a\u00a0b@c":                           "(U+00A0)",
		"a\u200bb@c":                           "(U+200B)",
		"a\u202eb@c":                           "(U+202E)",
		"a\x00@b":                              "(U+0000)",
		"a\ufffd@b":                            "(U+FFFD)",
		"mi\u212ae@example.com":                "is taken for another (U+212A)", // Kelvin sign, k
		"\u0130@example.com":                   "is taken for another (U+0130)", // dotted capital I, i
		"a\u1fef@b":                            "is taken for another (U+1FEF)", // varia, `
		"a\xff@b":                              "is not valid UTF-8",
		strings.Repeat("a", 251) + "@b.c":      "has 255 bytes: at most 254",
		strings.Repeat("a", 1<<20) + "@b":      "is too long",
		"kf_" + strings.Repeat("a", 38) + "@b": "holds a secret",
	} {
		got, err := core.NormalEmailForTest(in)
		if err == nil {
			t.Errorf("%q became %q", in, got)
			continue
		}
		wantRefusal(t, err, api.CodeInvalidRequest, text)
	}
}
