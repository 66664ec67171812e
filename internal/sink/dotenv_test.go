package sink

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/pkg/secret"
)

// envFile is a .env file with this text.
func envFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse(t *testing.T, spec string) Sink {
	t.Helper()
	s, err := Parse(spec, System{Environ: os.Environ})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDotenvKeepsTheRest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, after string }{
		"empty":                 {"", "KEY=@\n"},
		"replaced":              {"A=1\nKEY=old\nB=2\n", "A=1\nKEY=@\nB=2\n"},
		"appended":              {"A=1\n", "A=1\nKEY=@\n"},
		"appended, no newline":  {"A=1", "A=1\nKEY=@\n"},
		"appended, CRLF":        {"A=1\r\nB=2", "A=1\r\nB=2\r\nKEY=@\r\n"},
		"CRLF":                  {"KEY=old\r\nA=1\r\n", "KEY=@\r\nA=1\r\n"},
		"double quotes":         {`KEY="old \" one" # note` + "\n", `KEY="@" # note` + "\n"},
		"single quotes":         {`KEY='old\'` + "\n", `KEY='@'` + "\n"},
		"backquotes":            {"KEY=`old`\n", "KEY=`@`\n"},
		"comment behind":        {"KEY=old#1  # note\n", "KEY=@  # note\n"},
		"nothing":               {"KEY=\n", "KEY=@\n"},
		"nothing, then comment": {"KEY= # note\n", "KEY=@ # note\n"},
		"last line":             {"KEY=old", "KEY=@"},
		"export and blanks":     {"  export\tKEY = old \nA=1", "  export\tKEY = @ \nA=1"},
		"in a comment":          {"# KEY=old\n", "# KEY=old\nKEY=@\n"},
		"in another's value":    {"A=\"\nKEY=old\n\"\n", "A=\"\nKEY=old\n\"\nKEY=@\n"},
		"other's name":          {"KEY2=1\nMY_KEY=2\nkey=3\n", "KEY2=1\nMY_KEY=2\nkey=3\nKEY=@\n"},
		"names of others":       {"a.b-c=1\nexport=2\nKEY=old\n", "a.b-c=1\nexport=2\nKEY=@\n"},
		"byte order mark":       {"\ufeffKEY=old\n", "\ufeffKEY=@\n"},
		"a value over lines":    {"KEY='a\nb'\nA=1\n", "KEY='@'\nA=1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := envFile(t, tt.before)
			s := parse(t, "dotenv:"+path+"#KEY")
			sec := secret.New(secret.Key)
			for range 2 {
				if err := s.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := s.Put(t.Context(), sec); err != nil {
					t.Fatal(err)
				}
				if got, want := content(t, path), strings.ReplaceAll(tt.after, "@", sec.Reveal()); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
				if held, err := Holds(t.Context(), s.(Reader), sec); !held || err != nil {
					t.Errorf("it does not hold the secret: %v", err)
				}
			}
			if held, _ := Holds(t.Context(), s.(Reader), secret.New(secret.Key)); held {
				t.Error("it holds any secret")
			}
		})
	}
}

func TestDotenvRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"A=1\nwhat is this\n":  "line 2 is no assignment",
		"KEY: old\n":           "line 1 is no assignment",
		"=1\n":                 "line 1 is no assignment",
		"export\n":             "line 1 is no assignment",
		"KEY=\"old\nA=1\n":     "line 1 begins a value whose quote is not closed",
		"KEY=\"a\"b\n":         "line 1 has text after the closing quote",
		"KEY=1\nA=2\nKEY=3\n":  "the variable is assigned twice",
		"KEY=\x00\n":           "it is not UTF-8 text",
		"\xff\xfeK\x00E\x00\n": "it is not UTF-8 text",
		"{\"KEY\": 1}\n":       "line 1 is no assignment",
	} {
		path := envFile(t, text)
		s := parse(t, "dotenv:"+path+"#KEY")
		for _, err := range []error{s.Ready(t.Context()), s.Put(t.Context(), secret.New(secret.Key))} {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%q: %v, want %q", text, err, reason)
			}
		}
		if got := content(t, path); got != text {
			t.Errorf("%q was changed to %q", text, got)
		}
	}
}

// TestDotenvAnyText: whatever the file, either it is refused and left alone, or all but one stretch of it stays, and reading it
// gives the secret.
func TestDotenvAnyText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	piece := rapid.SampledFrom([]string{"KEY", "=", "\n", "\r\n", " ", "#", "\"", "'", "`", "\\", "export ", "A=1\n", "KEY=x\n", "é", "\t", "kf_", "$"})
	rapid.Check(t, func(r *rapid.T) {
		text := strings.Join(rapid.SliceOf(piece).Draw(r, "text"), "")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			r.Fatal(err)
		}
		s := parse(t, "dotenv:"+path+"#KEY")
		before, beforeErr := s.(Reader).Get(t.Context())
		sec := secret.New(secret.Key)
		err := s.Put(t.Context(), sec)
		got := content(t, path)
		if err != nil {
			if got != text || beforeErr == nil {
				r.Fatalf("refused (%v), and %q became %q", err, text, got)
			}
			return
		}
		if held, err := Holds(t.Context(), s.(Reader), sec); !held || err != nil {
			r.Fatalf("%q became %q: not read back: %v", text, got, err)
		}
		head, rest, _ := strings.Cut(got, sec.Reveal())
		if back := head + before + rest; back != text && !strings.HasPrefix(got, text) {
			r.Fatalf("%q became %q", text, got)
		}
	})
}
