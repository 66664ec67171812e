package shellquote_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// A realShell runs a script of lines. The preamble turns on what makes a shell expand more than it does by default.
type realShell struct {
	name     string
	argv     []string
	shell    shellquote.Shell
	preamble string
}

func realShells() []realShell {
	return []realShell{
		{"sh", []string{"sh"}, shellquote.Sh, ""},
		{"dash", []string{"dash"}, shellquote.Sh, ""},
		{"bash", []string{"bash", "--norc"}, shellquote.Sh, ""},
		{"bash eager", []string{"bash", "--norc"}, shellquote.Sh, "shopt -s extglob failglob globstar dotglob; set -o history; set -H; set -B\n"},
		{"zsh", []string{"zsh", "-f"}, shellquote.Sh, ""},
		{"zsh eager", []string{"zsh", "-f"}, shellquote.Sh, "setopt extended_glob ksh_glob rc_quotes magic_equal_subst brace_ccl bang_hist glob_dots interactive_comments\n"},
		{"fish", []string{"fish", "--no-config"}, shellquote.Fish, ""},
	}
}

func nastyWords() []string {
	return []string{
		"", " ", "  a  b  ", "plain", "=ls", "==", "-rf", "--help", "--", "-", "$(id)", "`id`", "${IFS}", "$HOME", "$$", "$'x'",
		`a'b"c\`, `end\`, `end\\`, `a\'b`, `a\\'b`, `'`, `''`, `'''`, `"`, `\`, `\\`, `\n`, `\0`, "%PATH%", "%self", "%1", "%s%n", "!x!", "x!y", "!!", "!-1",
		"^&|<>", "a^b", "../../x", `..\x`, `C:\x`, `C:\Program Files\`, `\\host\share`, `\??\`, "CON", "aux.json", "~", "~root", "~/x", "a=~/x", "*", "?", "[a-z]*",
		"{a,b}", "{1..9}", "@(a|b)", "+(a)", "#no comment", "a#b", "a;b", "a&b", "a|b", "a>b", "(a)", "<(id)", ">(id)", "=(id)", "[[", "if", "done", "time",
		"K", "ſ", "ı", "é", "e\u0301", "日本語", "🔑", "‘a’ “b” ‚c‛", "<script>", `"><img onerror>`, `=cmd|' /C calc'!A0`, "+1", "-1", "@SUM",
		"{{.Secret}}", "${jndi:x}", "__proto__", "'; DROP TABLE", "https://h/mcp?a=b&c=d", "Authorization: Bearer x",
		`{"name":"acme","headers":{"Authorization":"Bearer x"}}`, strings.Repeat("x", 65536),
	}
}

func randomArgvs(n int) [][]string {
	pieces := []string{
		`'`, `"`, `\`, "$", "`", "!", "%", "^", "&", "|", "<", ">", "(", ")", "{", "}", "[", "]", "*", "?", "~", "#", ";", "=", "-", ":", ",", "@", "+", "/", ".",
		" ", "a", "b", "0", "x", "é", "‘", "’", "“", "日", "$(", "${", "=ls", "%self", "!!", `\'`, `''`, "$'", "~root",
	}
	rnd := rand.New(rand.NewPCG(20261123, 7))
	out := make([][]string, n)
	for i := range out {
		out[i] = make([]string, 1+rnd.IntN(5))
		for j := range out[i] {
			var b strings.Builder
			for range rnd.IntN(9) {
				b.WriteString(pieces[rnd.IntN(len(pieces))])
			}
			out[i][j] = b.String()
		}
	}
	return out
}

// Every argv comes out of a real shell as it went in, all of them in one process a shell.
func TestRealShellsGiveTheArgvBack(t *testing.T) {
	t.Parallel()
	argvs := [][]string{nastyWords()[:40], nastyWords()[40:]}
	for _, w := range nastyWords() {
		argvs = append(argvs, []string{w}, []string{"a", w, "z"})
	}
	argvs = append(argvs, randomArgvs(2000)...)
	for _, sh := range realShells() {
		t.Run(sh.name, func(t *testing.T) {
			t.Parallel()
			var script strings.Builder
			script.WriteString(sh.preamble)
			for _, argv := range argvs {
				line, err := shellquote.Line(sh.shell, append([]string{"printf", `%s\0`}, argv...))
				if err != nil {
					t.Fatalf("Line(%q): %v", argv, err)
				}
				script.WriteString(line + "\nprintf '\\001\\000'\n")
			}
			got := runScript(t, sh, script.String())
			records := strings.Split(got, "\x01\x00")
			if len(records) != len(argvs)+1 {
				t.Fatalf("%d records for %d argv", len(records)-1, len(argvs))
			}
			for i, argv := range argvs {
				if words := strings.Split(strings.TrimSuffix(records[i], "\x00"), "\x00"); !slices.Equal(words, argv) {
					t.Errorf("argv %q came back as %q", argv, words)
				}
			}
		})
	}
}

func runScript(t *testing.T, sh realShell, script string) string {
	t.Helper()
	path, err := exec.LookPath(sh.argv[0])
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", sh.argv[0])
		}
		t.Skipf("%s is not installed", sh.argv[0])
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "script")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(slices.Clone(sh.argv[1:]), file)...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%.2000s", sh.name, err, stderr.String())
	}
	return string(out)
}
