package cliutil

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain ünï 漢字 👍":        "plain ünï 漢字 👍",
		"\x1b[2J\x1b]0;x\x07":   `\u001b[2J\u001b]0;x\u0007`,
		"\u009b31m":             `\u009b31m`,
		"a\u202eb":              `a\u202eb`,
		"zero\u200bwidth\u00ad": `zero\u200bwidth\u00ad`,
		"tag\U000e0041":         `tag\udb40\udc41`,
		"bad\xff":               `bad\xff`,
		"line\nbreak\t":         `line\u000abreak\u0009`,
		"\ufffd":                "\ufffd",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWord(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ci": "ci", "key_06h1": "key_06h1", "team/ci-2": "team/ci-2",
		"with space": "'with space'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "*": "'*'", "日本": "'日本'", "": "''",
		"a\x1b[2J": `a\u001b[2J`,
	} {
		if got := Word(in); got != want {
			t.Errorf("Word(%q) = %s, want %s", in, got, want)
		}
	}
}

// TestNothingUnprintableInOutput holds for tables and for JSON, whose meaning stays the same.
func TestNothingUnprintableInOutput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		streams, _, out, _ := TestStreams()
		o := &Output{Format: FormatJSON, IO: streams}
		if err := o.Object(map[string]string{"name": text}); err != nil {
			rt.Fatal(err)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["name"] != strings.ToValidUTF8(text, "\ufffd") {
			rt.Fatalf("%q came back as %q: %v", text, back["name"], err)
		}
		if err := (&Output{Format: FormatTable, IO: streams}).Table(nil, [][]string{{text, "x"}}); err != nil {
			rt.Fatal(err)
		}
		for _, r := range out.String() {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				rt.Fatalf("%U reached the terminal", r)
			}
		}
	})
}

func TestTableForms(t *testing.T) {
	t.Parallel()
	streams, _, out, _ := TestStreams()
	o := &Output{Format: FormatTable, IO: streams}
	rows := func() [][]string {
		return [][]string{{"ci", "enabled"}, {"漢字", "a very long cell that nobody may cut, wrap or trim"}}
	}
	if err := o.Table([]string{"NAME", "key_id"}, rows()); err != nil {
		t.Fatal(err)
	}
	if want := "ci\tenabled\n漢字\ta very long cell that nobody may cut, wrap or trim\n"; out.String() != want {
		t.Errorf("off a terminal: %q, want %q", out, want)
	}
	out.Reset()
	streams.OutTTY = true
	if err := o.Table([]string{"NAME", "key_id"}, rows()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	want := []string{"NAME  key_id", "ci    enabled", "漢字  a very long cell that nobody may cut, wrap or trim"}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("on a terminal:\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestYAMLKeepsTypes holds that a string which looks like something else stays a string.
func TestYAMLKeepsTypes(t *testing.T) {
	t.Parallel()
	streams, _, out, _ := TestStreams()
	o := &Output{Format: FormatYAML, IO: streams}
	doc := struct {
		Name string   `json:"name"`
		No   string   `json:"no"`
		N    int      `json:"n"`
		Nil  *string  `json:"nil"`
		List []string `json:"list"`
	}{Name: "1e3", No: "no", N: 3, List: []string{}}
	if err := o.Object(doc); err != nil {
		t.Fatal(err)
	}
	if want := "name: \"1e3\"\n\"no\": \"no\"\n\"n\": 3\nnil: null\nlist: []\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for want, d := range map[string]time.Duration{
		"just now": 30 * time.Second, "1 minute ago": time.Minute, "59 minutes ago": 59 * time.Minute,
		"1 hour ago": time.Hour, "23 hours ago": 23 * time.Hour, "1 day ago": 24 * time.Hour, "90 days ago": 90 * 24 * time.Hour,
	} {
		at := now.Add(-d)
		if got := Ago(now, &at); got != want {
			t.Errorf("%s before: %q, want %q", d, got, want)
		}
	}
	future := now.Add(time.Hour) // a clock that is behind the service's
	if Ago(now, &future) != "just now" || Ago(now, nil) != "never" || Stamp(nil) != "" {
		t.Error("the edges are wrong")
	}
}

func TestStyle(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		vars     map[string]string
		terminal bool
		want     Style
	}{
		"a terminal":               {nil, true, true},
		"a pipe":                   {nil, false, false},
		"NO_COLOR":                 {map[string]string{"NO_COLOR": "1"}, true, false},
		"NO_COLOR and force":       {map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, true, false},
		"force in a pipe":          {map[string]string{"CLICOLOR_FORCE": "1"}, false, true},
		"force is 0":               {map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		"a dumb terminal":          {map[string]string{"TERM": "dumb"}, true, false},
		"force on a dumb terminal": {map[string]string{"TERM": "dumb", "CLICOLOR_FORCE": "1"}, true, true},
		"CLICOLOR=0":               {map[string]string{"CLICOLOR": "0"}, true, false},
	} {
		if got := NewStyle(func(k string) string { return tc.vars[k] }, tc.terminal); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if got := Style(true).Bold("x"); got != "\x1b[1mx\x1b[0m" {
		t.Errorf("bold: %q", got)
	}
}

func TestWhen(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"90d": "2027-02-21T12:00:00Z", "2w": "2026-12-07T12:00:00Z", "12h": "2026-11-24T00:00:00Z", "1h30m": "2026-11-23T13:30:00Z",
		"2027-01-31": "2027-01-31T00:00:00Z", "2027-01-31T08:00:00+02:00": "2027-01-31T06:00:00Z",
		"": "", "0d": "", "-1d": "", "1.5d": "", "d": "", "soon": "", "never": "", "99999999999d": "", "4294967295w": "", "0s": "", "-3h": "", "2027-13-01": "",
	} {
		w := When{Now: func() time.Time { return now }}
		err := w.Set(in)
		if want == "" {
			if err == nil {
				t.Errorf("%q is %s", in, &w)
			}
			continue
		}
		if err != nil || w.String() != want {
			t.Errorf("%q is %s, want %s: %v", in, &w, want, err)
		}
	}
	never := When{Now: func() time.Time { return now }, OrNever: true, At: now}
	if err := never.Set("never"); err != nil || !never.At.IsZero() {
		t.Errorf("never is %s: %v", &never, err)
	}
	ago := When{Now: func() time.Time { return now }, Ago: true}
	if err := ago.Set("1d"); err != nil || ago.String() != "2026-11-22T12:00:00Z" {
		t.Errorf("a day ago is %s: %v", &ago, err)
	}
}

func each(items []any) func(func(any, error) bool) {
	return func(yield func(any, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// TestListStreams holds the form of a streamed list to that of a whole one, and that half a list is no document.
func TestListStreams(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3} {
		for _, format := range []Format{FormatJSON, FormatYAML} {
			streams, _, out, _ := TestStreams()
			o := &Output{Format: format, IO: streams}
			items := []any{}
			for i := range n {
				items = append(items, map[string]any{"n": i, "tags": map[string]string{"a": "b"}, "none": []int{}})
			}
			if err := o.List("keys", each(items)); err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Keys []any
			}
			if err := yaml.Unmarshal(out.Bytes(), &doc); err != nil || len(doc.Keys) != n || strings.Count(out.String(), "\n") > 20 && format == FormatJSON {
				t.Errorf("%d as %s: %v in\n%s", n, format, err, out)
			}
			whole, _, wholeOut, _ := TestStreams()
			if err := (&Output{Format: format, IO: whole}).Object(struct {
				Keys []any  `json:"keys"`
				Next string `json:"next_page_token"`
			}{items, ""}); err != nil {
				t.Fatal(err)
			}
			streams.OutTTY = true // where the form is that of a whole object
			out.Reset()
			if err := o.List("keys", each(items)); err != nil {
				t.Fatal(err)
			}
			if out.String() != wholeOut.String() {
				t.Errorf("%d as %s: got\n%s\nwant\n%s", n, format, out, wholeOut)
			}
		}
	}
	streams, _, out, _ := TestStreams()
	broken := errors.New("half way")
	err := (&Output{Format: FormatJSON, IO: streams}).List("keys", func(yield func(any, error) bool) {
		_ = yield(map[string]int{"n": 1}, nil) && yield(nil, broken)
	})
	if !errors.Is(err, broken) || out.Len() != 0 {
		t.Errorf("half a list: %v, %q", err, out)
	}
}
