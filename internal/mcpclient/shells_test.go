package mcpclient

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// The lines, run by real shells, call the client's program with exactly the argv.
func TestCommandsInRealShells(t *testing.T) {
	t.Parallel()
	bin := fakeClients(t) // before the first fork: a child that still holds a program open for writing makes it "text file busy"
	for _, sh := range []struct {
		argv  []string
		shell shellquote.Shell
	}{
		{[]string{"sh"}, shellquote.Sh},
		{[]string{"dash"}, shellquote.Sh},
		{[]string{"bash", "--norc"}, shellquote.Sh},
		{[]string{"zsh", "-f"}, shellquote.Sh},
		{[]string{"fish", "--no-config"}, shellquote.Fish},
	} {
		t.Run(sh.argv[0], func(t *testing.T) {
			t.Parallel()
			shell, err := exec.LookPath(sh.argv[0])
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			for _, raw := range []string{testURL, "http://[::1]:7420/mcp", "https://h/x?a=b&c=*+d", "https://h/'\"`$(id)\\!~"} {
				p := params(t)
				p.URL, p.Shell = raw, sh.shell
				for _, c := range Clients() {
					if c.Kind != KindCommand {
						continue
					}
					s := setup(t, c.ID, p)
					if got := runLine(t, bin, append([]string{shell}, sh.argv[1:]...), s.Text); !slices.Equal(got, s.Argv) {
						t.Errorf("%s\ngot  %q\nwant %q", s.Text, got, s.Argv)
					}
				}
			}
		})
	}
}

// fakeClients returns a directory of programs that print their argv, each word ended by NUL.
func fakeClients(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, c := range Clients() {
		if c.Kind != KindCommand {
			continue
		}
		name := setup(t, c.ID, params(t)).Argv[0]
		script := "#!/bin/sh\nprintf '%s\\0' " + name + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runLine(t *testing.T, bin string, shell []string, line string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell[0], shell[1:]...)
	cmd.Stdin = strings.NewReader(line + "\n")
	cmd.Dir = bin
	cmd.Env = []string{"HOME=" + bin, "PATH=" + bin + ":" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
