package schema_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/schema"
)

func TestRead(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	got := schema.Read(
		fstest.MapFS{"m/0002_b.sql": file("-- since: 1\nB"), "m/0001_a.sql": file("A")},
		fstest.MapFS{"n/0003_c.sql": file("-- since: 2 \n"), "n/0004_d.sql": file("-- since: 9\nD"), "n/0005_e.sql": file("\n-- since: 1"), "n/x.txt": file("")},
	)
	want := []schema.Migration{
		{"0001_a.sql", "A", 1},
		{"0002_b.sql", "-- since: 1\nB", 1},
		{"0003_c.sql", "-- since: 2 \n", 2},
		{"0004_d.sql", "-- since: 9\nD", 4},
		{"0005_e.sql", "\n-- since: 1", 5},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		schema.Applied

		known int
		runs  bool
	}{
		{schema.Applied{}, 3, true},
		{schema.Applied{Version: 3, Since: 3}, 3, true},
		{schema.Applied{Version: 2, Since: 2}, 3, true},
		{schema.Applied{Version: 4, Since: 3}, 3, true},
		{schema.Applied{Version: 9, Since: 1}, 3, true},
		{schema.Applied{Version: 4, Since: 4}, 3, false},
		{schema.Applied{Version: 9, Since: 4}, 3, false},
	} {
		err := tt.Refuse(tt.known)
		if (err == nil) != tt.runs || err != nil && !errors.Is(err, store.ErrNewerSchema) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// breaks finds what a program of the schema before can't leave alone.
func breaks() map[string]*regexp.Regexp {
	rules := map[string]string{
		"takes something away":           `(?is)\bDROP\b`,
		"renames something":              `(?is)\bRENAME\b`,
		"changes what a column is":       `(?is)\bALTER\s+COLUMN\b`,
		"adds a column that must be set": `(?is)\bADD\s+COLUMN\b[^;]*\bNOT\s+NULL\b`,
		"wants more of rows":             `(?is)\bADD\s+(CONSTRAINT|UNIQUE|CHECK|FOREIGN|PRIMARY)\b|\bCREATE\s+UNIQUE\s+INDEX\b`,
		"changes rows that are there":    `(?is)(^|;)\s*(UPDATE|DELETE|TRUNCATE)\b`,
	}
	out := map[string]*regexp.Regexp{}
	for what, rule := range rules {
		out[what] = regexp.MustCompile(rule)
	}
	return out
}

// broken are the rules that a migration breaks. A new table may be as strict as it likes, and so may a column with a default.
func broken(text string) (rules []string) {
	text = regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(text, "")
	made := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?i)\bCREATE\s+TABLE\s+(\w+)`).FindAllStringSubmatch(text, -1) {
		made[strings.ToLower(m[1])] = true
	}
	on := regexp.MustCompile(`(?is)^\s*CREATE\s+UNIQUE\s+INDEX\s+\w+\s+ON\s+(\w+)`)
	for statement := range strings.SplitSeq(text, ";") {
		if m := on.FindStringSubmatch(statement); len(m) > 1 && made[strings.ToLower(m[1])] {
			continue
		}
		for what, rule := range breaks() {
			if !rule.MatchString(statement) || what == "adds a column that must be set" && regexp.MustCompile(`(?i)\bDEFAULT\b`).MatchString(statement) {
				continue
			}
			rules = append(rules, what)
		}
	}
	return rules
}

// TestMigrations holds the rules of CONTRIBUTING.md, as far as they can be seen: numbers without a gap, and a migration beside which
// older programs are to run only adds.
func TestMigrations(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		list := schema.Read(os.DirFS("../" + database)) // those of the build tag "next" last
		if len(list) < 2 {
			t.Errorf("%s has %d migrations", database, len(list))
		}
		for i, m := range list {
			if !strings.HasPrefix(m.Name, fmt.Sprintf("%04d_", i+1)) {
				t.Errorf("%s: migration %d is %s", database, i+1, m.Name)
			}
			if line, _, _ := strings.Cut(m.Text, "\n"); strings.HasPrefix(line, "-- since") && line != fmt.Sprintf("-- since: %d", m.Since) {
				t.Errorf("%s: %s begins with %q", database, m.Name, line)
			}
			if rules := broken(m.Text); m.Since <= i && len(rules) > 0 {
				t.Errorf("%s: %s is to run beside programs of schema %d, but it %s", database, m.Name, m.Since, strings.Join(rules, ", "))
			}
		}
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"CREATE TABLE t (a TEXT NOT NULL); CREATE UNIQUE INDEX i ON t (a);":        "",
		"ALTER TABLE keys ADD COLUMN a BIGINT NOT NULL DEFAULT 0; -- DROP nothing": "",
		"ALTER TABLE keys ADD COLUMN a BIGINT;":                                    "",
		"CREATE INDEX i ON keys (a);":                                              "",
		"ALTER TABLE keys ADD COLUMN a BIGINT NOT NULL;":                           "adds a column that must be set",
		"ALTER TABLE keys\n  DROP COLUMN a;":                                       "takes something away",
		"ALTER TABLE keys RENAME a TO b;":                                          "renames something",
		"ALTER TABLE keys ALTER COLUMN a SET NOT NULL;":                            "changes what a column is",
		"CREATE UNIQUE INDEX i ON keys (a);":                                       "wants more of rows",
		"ALTER TABLE keys ADD CONSTRAINT c CHECK (a > 0);":                         "wants more of rows",
		"SELECT 1;\nUPDATE keys SET name = '';":                                    "changes rows that are there",
	} {
		if got := strings.Join(broken(text), ", "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
