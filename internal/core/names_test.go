package core_test

import (
	"maps"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestNamesThatAreTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{
		"ci", "a", strings.Repeat("é", 64), "two words", "=ls", "$(id)", "`id`", "${IFS}", `a'b"c\`, `\`, "%PATH%", "!x!", "^&|<>",
		"../../x", `..\x`, `C:\x`, `\\host\share`, "CON", "aux.json", "<script>", `"><img onerror=1>`, "=cmd|' /C calc'!A0", "+1", "@SUM",
		"{{.Secret}}", "${jndi:ldap}", "%s%n", "__proto__", "constructor", "'; DROP TABLE keys--", "%", "_", "鍵", "😀", "null", "0",
		"kf", "kfs", "my_kf_key", "key_", "key_0123456789abcdefghijklmno", "key_wwwwwwwwwwwwwwwwwwwwwwwwww", "Straße’s 鍵", "ñ",
	} {
		k, _ := f.create(core.NewKey{Name: name})
		f.equal("name", k.Name, name)
		f.equal("key by name", f.get(name), k)
		f.equal("key by id", f.get(k.ID), k)
	}
	k, _ := f.create(core.NewKey{Name: "e\u0301clair"}) // NFD
	f.equal("NFC", k.Name, "\u00e9clair")
	f.equal("by the other form", f.get("E\u0301CLAIR").ID, k.ID)
}

func TestNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	real1 := secret.New(secret.Key).Reveal()
	for name, tt := range map[string]struct{ in, want string }{
		"empty":               {"", "the name is empty"},
		"space":               {" ", "begins or ends with a space"},
		"leading space":       {" ci", "begins or ends with a space"},
		"trailing space":      {"ci ", "begins or ends with a space"},
		"no-break space":      {"a\u00a0b", "not visible (U+00A0)"},
		"ideographic space":   {"a\u3000b", "not visible (U+3000)"},
		"flag":                {"-rf", "begins with '-'"},
		"long flag":           {"--help", "begins with '-'"},
		"newline":             {"a\nb", "not visible (U+000A)"},
		"carriage return":     {"a\rb", "not visible (U+000D)"},
		"tab":                 {"a\tb", "not visible (U+0009)"},
		"NUL":                 {"a\x00b", "not visible (U+0000)"},
		"escape":              {"a\x1b[2Jb", "not visible (U+001B)"},
		"DEL":                 {"a\x7fb", "not visible (U+007F)"},
		"C1 CSI":              {"a\u009bb", "not visible (U+009B)"},
		"RTL override":        {"a\u202eb", "not visible (U+202E)"},
		"isolate":             {"a\u2066b", "not visible (U+2066)"},
		"RTL mark":            {"a\u200fb", "not visible (U+200F)"},
		"zero-width space":    {"a\u200bb", "not visible (U+200B)"},
		"ZWJ emoji":           {"👩\u200d💻", "not visible (U+200D)"},
		"soft hyphen":         {"a\u00adb", "not visible (U+00AD)"},
		"BOM":                 {"\ufeffci", "not visible (U+FEFF)"},
		"tag character":       {"a\U000e0041b", "not visible (U+E0041)"},
		"variation selector":  {"❤\ufe0f", "not visible (U+FE0F)"},
		"more selectors":      {"a\U000e0101", "not visible (U+E0101)"},
		"Hangul filler":       {"a\u3164b", "not visible (U+3164)"},
		"grapheme joiner":     {"a\u034fb", "not visible (U+034F)"},
		"blank braille":       {"\u2800", "not visible (U+2800)"},
		"private use":         {"a\ue000", "not visible (U+E000)"},
		"line separator":      {"a\u2028b", "not visible (U+2028)"},
		"only a mark":         {"\u0301", "begins with a mark"},
		"lone surrogate":      {"a\xed\xa0\x80", "not valid UTF-8"},
		"bad UTF-8":           {"a\xff", "not valid UTF-8"},
		"replaced character":  {"a\ufffdb", "not visible (U+FFFD)"},
		"65 characters":       {strings.Repeat("é", 65), "has 65 characters: at most 64"},
		"255 characters":      {strings.Repeat("a", 255), "has 255 characters"},
		"64 KiB":              {strings.Repeat("a", 65536), "too long"},
		"a secret":            {real1, "looks like a secret"},
		"a secret in capital": {strings.ToUpper(real1), "looks like a secret"},
		"a secret inside":     {"prod " + real1, "looks like a secret"},
		"a session":           {secret.New(secret.Session).Reveal(), "looks like a secret"},
		"a secret's prefix":   {"kf_ci", "looks like a secret"},
		"a hint":              {"kf_…abcd", "looks like a secret"},
		"a key id":            {"key_" + strings.Repeat("0", 26), "looks like the id of a key"},
		"a key id in capital": {"KEY_" + strings.Repeat("V", 26), "looks like the id of a key"},
		"a key id, Kelvin":    {"\u212aey_" + strings.Repeat("0", 26), "looks like the id of a key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: tt.in})
			wantRefusal(t, err, api.CodeInvalidRequest, tt.want)
			if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(real1)) {
				t.Error("the error holds the secret")
			}
			for _, r := range err.Error() {
				if !unicode.IsPrint(r) {
					t.Errorf("the error holds %U", r)
				}
			}
		})
	}
}

func TestNamesThatAreTheSame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, same := range [][]string{
		{"ci-deploy", "CI-Deploy", "CI-DEPLOY", "ci-deploy"},
		{"kilo", "\u212ailo"},
		{"sun", "\u017fun"},
		{"caf\u00e9", "cafe\u0301", "CAF\u00c9"},
		{"straße", "STRASSE", "strasſe"},
		{"Σίσυφος", "σίσυφοσ"},
		{"\u1fc3", "\u0397\u0399"}, // iota subscript
		{"\u13c7", "\uab97"},       // Cherokee
	} {
		k, _ := f.create(core.NewKey{Name: same[0]})
		for _, name := range same {
			_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: name})
			f.refused(err, api.CodeNameTaken, "is taken")
			f.equal(same[i%2]+" by "+name, f.get(name).ID, k.ID)
		}
		renamed, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", k.ID, core.KeyPatch{Name: &same[1]}, 0)
		f.must(err)
		f.equal("a key may change its own name's case", renamed.Name, norm.NFC.String(same[1]))
	}
	f.create(core.NewKey{Name: "di"})
	f.create(core.NewKey{Name: "dı"}) // the Turkish ı is another letter
}

func TestTags(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	many := map[string]string{}
	for i := range 17 {
		many[string(rune('a'+i))] = ""
	}
	for name, tt := range map[string]struct {
		tags map[string]string
		want string
	}{
		"17":               {many, "there are 17 tags: at most 16"},
		"empty name":       {map[string]string{"": "x"}, "the tag name is empty"},
		"long name":        {map[string]string{strings.Repeat("a", 65): "x"}, "has 65 characters"},
		"long value":       {map[string]string{"env": strings.Repeat("a", 257)}, `the value of the tag "env"`},
		"control in name":  {map[string]string{"a\nb": "x"}, "not visible (U+000A)"},
		"control in value": {map[string]string{"env": "a\x1bb"}, "not visible (U+001B)"},
		"bidi in value":    {map[string]string{"env": "a\u202eb"}, "not visible (U+202E)"},
		"bad UTF-8":        {map[string]string{"env": "a\xff"}, "not valid UTF-8"},
		"secret in value":  {map[string]string{"env": "x " + secret.New(secret.Key).Reveal()}, "holds a secret"},
		"secret in name":   {map[string]string{secret.New(secret.Key).Reveal(): ""}, "holds a secret"},
		"twice":            {map[string]string{"caf\u00e9": "", "cafe\u0301": ""}, "is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: "ci", Tags: tt.tags})
			wantRefusal(t, err, api.CodeInvalidRequest, tt.want)
		})
	}
	most := maps.Clone(many)
	delete(most, "a")
	most["b"], most["c"] = strings.Repeat("é", 256), "-1 = $(id)"
	k, _ := f.create(core.NewKey{Name: "tagged", Tags: most})
	f.equal("tags", k.Tags, most)
	f.equal("tags in the store", f.get("tagged").Tags, most)
}

// TestNameProperties: what is accepted is in NFC, visible and found again by any case and form; nothing panics.
func TestNameProperties(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.OneOf(rapid.StringN(0, 70, -1), rapid.StringMatching(`[ -~ſKİßéΐ]{1,12}`)).Draw(rt, "name")
		k, _, _, err := f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: name})
		if err != nil {
			return
		}
		defer func() {
			if err := f.svc.DeleteKey(t.Context(), f.owner, "acme", k.ID, core.DeleteKey{AcknowledgeRecentUse: true}); err != nil {
				rt.Error(err)
			}
		}()
		if k.Name != norm.NFC.String(name) {
			rt.Fatalf("%q became %q", name, k.Name)
		}
		for _, r := range k.Name {
			if !unicode.IsPrint(r) {
				rt.Fatalf("%q holds %U", k.Name, r)
			}
		}
		for _, same := range []string{k.Name, norm.NFD.String(k.Name), foldSimple(k.Name)} {
			got, err := f.svc.Key(t.Context(), f.owner, "acme", same)
			if err != nil || got.ID != k.ID {
				rt.Fatalf("%q is not found by %q: %v", k.Name, same, err)
			}
		}
	})
}

// foldSimple puts another rune of the same simple folding in place of each rune.
func foldSimple(s string) string { return strings.Map(unicode.SimpleFold, s) }

// TestNobodySpoilsAName: whatever a program says of itself becomes a name that people would be allowed, or nothing.
func TestNobodySpoilsAName(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.OneOf(rapid.String(), rapid.StringMatching(`[- \x00-\x1f\x{300}\x{200b}-\x{202e}a-zé\x{fffd}]*`), rapid.StringOfN(rapid.Rune(), 60, 200, -1)).Draw(t, "said")
		got := core.CleanedForTest(said)
		if got == "" {
			return
		}
		if n, err := core.NormalNameForTest(got); err != nil || n != got {
			t.Fatalf("%q became %q, which would become %q: %v", said, got, n, err)
		}
	})
}
