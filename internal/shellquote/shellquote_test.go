package shellquote_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/shellquote"
)

func TestLine(t *testing.T) {
	t.Parallel()
	json := `{"name":"acme","headers":{"A":"Bearer x"}}`
	for _, tc := range []struct {
		name   string
		sh     shellquote.Shell
		target shellquote.Target
		word   string
		want   string // empty: refused
	}{
		{"sh bare", shellquote.Sh, shellquote.Any, "https://h:1/mcp", "https://h:1/mcp"},
		{"sh flag", shellquote.Sh, shellquote.Any, "--scope", "--scope"},
		{"sh blank", shellquote.Sh, shellquote.Any, "A: B", "'A: B'"},
		{"sh empty", shellquote.Sh, shellquote.Any, "", "''"},
		{"sh quote", shellquote.Sh, shellquote.Any, "a'b", `'a'\''b'`},
		{"sh equals", shellquote.Sh, shellquote.Any, "=ls", "'=ls'"},
		{"sh json", shellquote.Sh, shellquote.Batch, json, "'" + json + "'"},
		{"fish backslash", shellquote.Fish, shellquote.Any, `a\'b\`, `'a\\\'b\\'`},
		{"fish percent", shellquote.Fish, shellquote.Any, "%self", "'%self'"},
		{"powershell bare", shellquote.PowerShell, shellquote.Any, "--scope", "--scope"},
		{"powershell stop-parsing", shellquote.PowerShell, shellquote.Any, "--", "'--'"},
		{"powershell number", shellquote.PowerShell, shellquote.Any, "1kb", "'1kb'"},
		{"powershell split flag", shellquote.PowerShell, shellquote.Any, "-a.b", "'-a.b'"},
		{"powershell quote", shellquote.PowerShell, shellquote.Any, "it's", "'it''s'"},
		{"powershell typographic", shellquote.PowerShell, shellquote.Any, "‘a’‚‛“”", "'‘‘a’’‚‚‛‛“”'"},
		{"powershell dollar", shellquote.PowerShell, shellquote.Any, "$env:PATH", "'$env:PATH'"},
		{"powershell json", shellquote.PowerShell, shellquote.Batch, json, `'{\"name\":\"acme\",\"headers\":{\"A\":\"Bearer x\"}}'`},
		{"powershell json to any", shellquote.PowerShell, shellquote.Any, json, ""},
		{"powershell empty", shellquote.PowerShell, shellquote.Any, "", ""},
		{"powershell bare ampersand to a batch file", shellquote.PowerShell, shellquote.Any, "https://h/?a&b", ""},
		{"powershell quoted ampersand", shellquote.PowerShell, shellquote.Any, "a & b", "'a & b'"},
		{"powershell quote toggles", shellquote.PowerShell, shellquote.Batch, `{"a":"x &calc"}`, ""},
		{"powershell trailing backslash", shellquote.PowerShell, shellquote.Any, `a b\`, ""},
		{"powershell backslash quote", shellquote.PowerShell, shellquote.Batch, `a\""`, ""},
		{"powershell percent", shellquote.PowerShell, shellquote.Any, "%PATH%", ""},
		{"cmd bare", shellquote.Cmd, shellquote.Any, "https://h:1/mcp", "https://h:1/mcp"},
		{"cmd blank", shellquote.Cmd, shellquote.Any, "A: B", `"A: B"`},
		{"cmd empty", shellquote.Cmd, shellquote.Any, "", `""`},
		{"cmd single quote", shellquote.Cmd, shellquote.Any, "it's", `"it's"`},
		{"cmd ampersand", shellquote.Cmd, shellquote.Any, "https://h/?a&b", `"https://h/?a&b"`},
		{"cmd json", shellquote.Cmd, shellquote.Batch, json, `"{\"name\":\"acme\",\"headers\":{\"A\":\"Bearer x\"}}"`},
		{"cmd trailing backslash", shellquote.Cmd, shellquote.Any, `C:\a b\`, `"C:\a b\\"`},
		{"cmd backslash quotes", shellquote.Cmd, shellquote.Any, `a\"b\\"`, `"a\\\"b\\\\\""`},
		{"cmd quote toggles", shellquote.Cmd, shellquote.Any, `{"a":"x&calc"}`, ""},
		{"cmd odd quotes", shellquote.Cmd, shellquote.Any, `a"b`, ""},
		{"cmd percent", shellquote.Cmd, shellquote.Any, "%PATH%", ""},
		{"cmd bang", shellquote.Cmd, shellquote.Any, "!x!", ""},
		{"cmd caret", shellquote.Cmd, shellquote.Any, "a^b", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := shellquote.LineFor(tc.sh, []string{"prog", tc.word, "z"}, tc.target)
			if tc.want == "" {
				if !errors.Is(err, shellquote.ErrUnquotable) || got != "" {
					t.Fatalf("got %q, %v; want ErrUnquotable", got, err)
				}
				return
			}
			if want := "prog " + tc.want + " z"; err != nil || got != want {
				t.Fatalf("got  %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// No shell is given a character that a person could not see, and no error repeats a word.
func TestLineRefusesWhatDoesNotPrint(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\x00", "\n", "\r", "\t", "\x1b[2J", "\x7f", "\u009b", "\u202e", "\u200b", "\u200d", "\u2028", "\u00a0", "\ufeff", "\xff", "\U000e0041"} {
		for _, sh := range shellquote.Shells() {
			line, err := shellquote.Line(sh, []string{"prog", "ok", "kf_topsecret" + bad})
			if line != "" || !errors.Is(err, shellquote.ErrUnquotable) {
				t.Errorf("%s, %q: got %q, %v; want ErrUnquotable", sh, bad, line, err)
				continue
			}
			if msg := err.Error(); !strings.HasPrefix(msg, "word 2: ") || strings.Contains(msg, "topsecret") || strings.Contains(msg, bad) {
				t.Errorf("%s, %q: message %q", sh, bad, msg)
			}
		}
	}
}

func TestLineRefusesShellAndProgram(t *testing.T) {
	t.Parallel()
	if _, err := shellquote.Line("csh", []string{"prog"}); !errors.Is(err, shellquote.ErrShell) {
		t.Errorf("csh: %v", err)
	}
	for _, argv := range [][]string{nil, {""}, {"a b"}, {"-x"}, {"A=b"}, {"$x"}, {"%1"}, {"~/x"}, {"é"}} {
		for _, sh := range shellquote.Shells() {
			if line, err := shellquote.Line(sh, argv); line != "" || !errors.Is(err, shellquote.ErrProgram) {
				t.Errorf("%s %q: got %q, %v; want ErrProgram", sh, argv, line, err)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	const machine = `C:\Program Files\WindowsPowerShell\Modules;C:\WINDOWS\system32\WindowsPowerShell\v1.0\Modules`
	for _, tc := range []struct {
		name, goos string
		env        map[string]string
		want       shellquote.Shell
	}{
		{"nothing", "linux", nil, shellquote.Sh},
		{"bash", "linux", map[string]string{"SHELL": "/bin/bash"}, shellquote.Sh},
		{"zsh", "darwin", map[string]string{"SHELL": "/bin/zsh"}, shellquote.Sh},
		{"fish", "linux", map[string]string{"SHELL": "/usr/bin/fish"}, shellquote.Fish},
		{"fish without path", "linux", map[string]string{"SHELL": "fish"}, shellquote.Fish},
		{"pwsh", "linux", map[string]string{"SHELL": "/usr/bin/pwsh"}, shellquote.PowerShell},
		{"PSModulePath off Windows", "linux", map[string]string{"PSModulePath": "/x", "USERPROFILE": "/x"}, shellquote.Sh},
		{"cmd", "windows", map[string]string{"PSModulePath": machine, "USERPROFILE": `C:\Users\me`}, shellquote.Cmd},
		{"powershell", "windows", map[string]string{"PSModulePath": `c:\users\me\Documents\PowerShell\Modules;` + machine, "USERPROFILE": `C:\Users\me`}, shellquote.PowerShell},
		{"another user's directory", "windows", map[string]string{"PSModulePath": `C:\Users\me2\Documents\PowerShell\Modules`, "USERPROFILE": `C:\Users\me`}, shellquote.Cmd},
		{"windows, bare", "windows", nil, shellquote.Cmd},
		{"git bash", "windows", map[string]string{"SHELL": `C:\Program Files\Git\usr\bin\bash.exe`, "PSModulePath": machine}, shellquote.Sh},
		{"pwsh.exe", "windows", map[string]string{"SHELL": `C:\x\pwsh.EXE`}, shellquote.PowerShell},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := shellquote.Detect(func(k string) string { return tc.env[k] }, tc.goos); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
