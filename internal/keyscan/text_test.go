package keyscan_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/keyscan"
	"github.com/keyfob/keyfob/pkg/secret"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// fixed is a key that every version must know.
const fixed = "kf_0123456789ABCDEFGHIJKLMNOPQRSTUV2it9Jo"

// places writes hits as line:column kind, after it has checked that they are the secrets that were put there.
func places(t interface {
	Helper()
	Errorf(string, ...any)
}, hits []keyscan.Hit, want ...secret.Secret,
) string {
	t.Helper()
	var out []string
	for i, h := range hits {
		out = append(out, fmt.Sprintf("%d:%d %s", h.Line, h.Column, h.Kind))
		if i < len(want) && h.Secret != want[i] {
			t.Errorf("hit %d is another secret", i)
		}
	}
	if len(want) != len(hits) {
		t.Errorf("%d hits, want %d", len(hits), len(want))
	}
	return strings.Join(out, ", ")
}

func toUTF16(s string, big, mark bool) []byte {
	units := utf16.Encode([]rune(s))
	if mark {
		units = append([]uint16{0xFEFF}, units...)
	}
	var out []byte
	for _, u := range units {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

func TestText(t *testing.T) {
	t.Parallel()
	k, l, s := secret.New(secret.Key), secret.New(secret.Key), secret.New(secret.Session)
	a, b, c := k.Reveal(), l.Reveal(), s.Reveal()
	tests := []struct {
		name, text, want string
		secrets          []secret.Secret
	}{
		{"nothing", "", "", nil},
		{"prefix only", "kf_ kfs_ kf", "", nil},
		{"alone", a, "1:1 kf_", []secret.Secret{k}},
		{"session", c + "\n", "1:1 kfs_", []secret.Secret{s}},
		{"dotenv", "A=1\r\nKEY=" + a + "\r\n", "2:5 kf_", []secret.Secret{k}},
		{"quoted", `{"Authorization": "Bearer ` + a + `"}`, "1:27 kf_", []secret.Secret{k}},
		{"URL", "https://x.example/mcp?api_key=" + a + "&b=1", "1:31 kf_", []secret.Secret{k}},
		{"URL in a URL", "?u=https%3A%2F%2Fx%3Fapi_key%3D" + a + "%26b", "1:32 kf_", []secret.Secret{k}},
		{"escaped underscore", "key%3Dkf%5F" + a[3:] + " kfs%5f" + c[4:], "1:7 kf_, 1:51 kfs_", []secret.Secret{k, s}},
		{"after an escape", `"a\n` + a + `\n"`, "1:5 kf_", []secret.Secret{k}},
		{"after a letter", "x" + a, "1:2 kf_", []secret.Secret{k}},
		{"two in a line", a + "," + b, "1:1 kf_, 1:43 kf_", []secret.Secret{k, l}},
		{"back to back", a + c + b, "1:1 kf_, 1:42 kfs_, 1:84 kf_", []secret.Secret{k, s, l}},
		{"after the start of another", "kf_kf_kfs_" + a, "1:11 kf_", []secret.Secret{k}},
		{"after the half of another", b[:30] + a, "1:31 kf_", []secret.Secret{k}},
		{"characters, not bytes", "é€😀 " + a, "1:5 kf_", []secret.Secret{k}},
		{"mark", "\uFEFF" + a, "1:1 kf_", []secret.Secret{k}},
		{"not UTF-8", "\xff\xfe\x80" + a, "1:4 kf_", []secret.Secret{k}},
		{"among NULs", "\x00\x00" + a + "\x00", "1:3 kf_", []secret.Secret{k}},
		{"goes on", a + "0", "", nil},
		{"goes on with a word", a + "kf", "", nil},
		{"cut short", a[:len(a)-1], "", nil},
		{"cut by a line", a[:20] + "\n" + a[20:], "", nil},
		{"hint", k.Hint(), "", nil},
		{"other prefix", "sk_" + a[3:], "", nil},
		{"upper case", strings.ToUpper(a), "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := places(t, keyscan.Text([]byte(tt.text)), tt.secrets...); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestTextInUTF16(t *testing.T) {
	t.Parallel()
	k, s := secret.New(secret.Key), secret.New(secret.Session)
	text := "é=1\r\n😀Ċ key=" + k.Reveal() + "č\n" + s.Reveal() + "Ā"
	const want = "2:8 kf_, 3:1 kfs_"
	for _, big := range []bool{false, true} {
		for _, mark := range []bool{false, true} {
			data := toUTF16(text, big, mark)
			if got := places(t, keyscan.Text(data), k, s); got != want {
				t.Errorf("big endian %v, mark %v: %s, want %s", big, mark, got, want)
			}
			if hits := keyscan.Text(data[1:]); len(hits) != 2 {
				t.Errorf("big endian %v, mark %v, one byte short: %d hits", big, mark, len(hits))
			}
		}
	}
	if hits := keyscan.Text(toUTF16(k.Reveal()+"0", false, true)); len(hits) != 0 {
		t.Error("a longer run was taken for a key")
	}
}

// TestTextKnowsAnOldKey pins that the format here is pkg/secret's.
func TestTextKnowsAnOldKey(t *testing.T) {
	t.Parallel()
	if hits := keyscan.Text([]byte("x " + fixed)); len(hits) != 1 || hits[0].Secret.Reveal() != fixed {
		t.Errorf("%d hits", len(hits))
	}
}

// TestTextFindsWhatWasPutIn: a key at a random place in random text is found where it was put; with one character changed
// it is not.
func TestTextFindsWhatWasPutIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]secret.Kind{secret.Key, secret.Session}).Draw(t, "kind")
		junk := rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("kfs_%5F\n\x000aZ =é😀")), rapid.Rune()))
		before, after := junk.Draw(t, "before"), junk.Draw(t, "after")
		if after != "" && strings.Contains(base62, after[:1]) {
			after = " " + after
		}
		k := secret.New(kind)
		hits := keyscan.Text([]byte(before + k.Reveal() + after))
		tail := before[strings.LastIndexByte(before, '\n')+1:]
		column := len([]rune(tail)) + 1
		if strings.HasPrefix(before, "\uFEFF") && len(tail) == len(before) {
			column--
		}
		if want := fmt.Sprintf("%d:%d %s", strings.Count(before, "\n")+1, column, kind); places(t, hits, k) != want {
			t.Fatalf("not found at %s", want)
		}

		changed := []byte(k.Reveal())
		at := rapid.IntRange(len(kind), len(changed)-1).Draw(t, "changed")
		changed[at] = rapid.SampledFrom([]byte(base62)).Filter(func(b byte) bool { return b != changed[at] }).Draw(t, "character")
		if hits := keyscan.Text([]byte(before + string(changed) + after)); len(hits) != 0 {
			t.Fatal("found with a changed character")
		}
	})
}

// TestTextIsLinear holds that a file full of secrets, or of what begins like one, costs as much as its size.
func TestTextIsLinear(t *testing.T) {
	t.Parallel()
	const n = 20_000
	for name, text := range map[string][]byte{
		"keys on one line":   []byte(strings.Repeat(fixed+" ", n)),
		"keys in UTF-16":     toUTF16(strings.Repeat(fixed+" ", n), false, true),
		"keys in UTF-16, BE": toUTF16(strings.Repeat(fixed+"\n", n), true, false),
	} {
		if hits := keyscan.Text(text); len(hits) != n {
			t.Errorf("%s: %d hits, want %d", name, len(hits), n)
		}
	}
	if hits := keyscan.Text([]byte(strings.Repeat("kf_", 1<<20))); len(hits) != 0 {
		t.Errorf("%d hits in prefixes", len(hits))
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte(""), []byte(""))
	f.Add([]byte("kf_"), []byte("kf_"))
	f.Add([]byte("\xff\xfek\x00f\x00"), []byte("\x00"))
	f.Add(toUTF16("a\n"+fixed, true, true), []byte(fixed))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		keyscan.Text(before)
		if len(after) > 0 && bytes.IndexByte([]byte(base62), after[0]) >= 0 {
			after = after[1:]
		}
		if len(after) > 0 && bytes.IndexByte([]byte(base62), after[0]) >= 0 {
			return
		}
		hits := keyscan.Text(bytes.Join([][]byte{before, []byte(fixed), after}, nil))
		for i, h := range hits {
			if h.Line < 1 || h.Column < 1 || h.Secret.IsZero() {
				t.Fatalf("hit %d: %+v", i, h)
			}
		}
		for _, h := range hits {
			if h.Secret.Reveal() == fixed {
				return
			}
		}
		t.Fatal("the key was not found")
	})
}

func BenchmarkText(b *testing.B) {
	line := "the quick brown fox asks for kofta, kfar and kf_ but has no key; 0123456789abcdef=\n"
	plain := strings.Repeat(line, 1<<20/len(line))
	for name, text := range map[string][]byte{
		"plain":  []byte(plain),
		"dense":  []byte(strings.Repeat("a=1\n"+fixed+"\n", 1<<20/46)),
		"utf16":  toUTF16(plain, false, true),
		"worst":  []byte(strings.Repeat("kf_", 1<<20/3)),
		"base62": []byte(strings.Repeat(base62, 1<<20/62)),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				keyscan.Text(text)
			}
		})
	}
}
