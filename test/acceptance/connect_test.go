package acceptance

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// clientFiles are two files of clients as people write them, in different formats.
func clientFiles() map[string]string {
	return map[string]string{
		"home/.cursor/mcp.json":          "{\n  // mine\n  \"mcpServers\": {\"other\": {\"command\": \"x\"}}\n}\n",
		"home/.gemini/settings.json":     "{\"theme\": \"dark\"}",
		"home/.config/goose/config.yaml": "# mine\nextensions:\n  other: {cmd: x}\n",
	}
}

func connectArgs(ts *testscript.TestScript) []string {
	return []string{
		ts.Getenv("BIN") + "/keyfob", "mcp", "connect", "--client", "cursor", "--client", "gemini-cli", "--client", "goose", "--apply", "--literal",
	}
}

func traced(ts *testscript.TestScript, args ...string) (output string, err error) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			ts.Fatalf("strace is missing")
		}
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, strace, append([]string{"-f", "-qq"}, args...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(environment(ts), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// cmdConnectKilled kills connect at each call that changes a file, in turn. A file is what it was or what it was to become
// then, and disconnect makes all of them what they were: connectkilled.
func cmdConnectKilled(ts *testscript.TestScript, _ bool, _ []string) {
	files := clientFiles()
	kills := 0
	for _, call := range []string{"write", "fsync", "renameat", "unlinkat", "fchmod"} {
		for at, missed := 1, 0; missed < 3 && at < 60; at++ { // strace counts the calls of each thread
			for name, text := range files {
				ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o700))
				ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
			}
			inject := fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, at)
			out, err := traced(ts, append([]string{"-o", "/dev/null", "-e", "trace=" + call, "-e", inject}, connectArgs(ts)...)...)
			if err == nil {
				missed++
			} else if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() == 1 {
				ts.Fatalf("killed at %s %d: %v\n%s", call, at, err, out)
			} else {
				kills++
			}
			for name, text := range files {
				got := ts.ReadFile(name)
				ours := strings.Contains(got, "keyfob") && strings.Contains(got, ts.Getenv("SECRET"))
				if got != text && !ours {
					ts.Fatalf("killed at %s %d, %s holds %q", call, at, name, got)
				}
			}
			ts.Check(ts.Exec("keyfob", "mcp", "disconnect", "--client", "all"))
			for name, text := range files {
				if got := ts.ReadFile(name); got != text {
					ts.Fatalf("killed at %s %d, after disconnect %s holds %q, want %q", call, at, name, got, text)
				}
			}
			left(ts, ".keyfob-")
		}
	}
	if kills < 20 {
		ts.Fatalf("it was killed %d times only", kills)
	}
}

// rounds is how often things are done at once; `make soak` has more.
var rounds = flag.Int("rounds", 3, "how often connects are run together") //nolint:gochecknoglobals // a test flag

// cmdTogether has eight processes connect at once, into one file, and holds that all eight are in it, and that disconnect gives
// the file back: together.
func cmdTogether(ts *testscript.TestScript, _ bool, _ []string) {
	const processes = 8
	name := "home/.cursor/mcp.json"
	text := clientFiles()[name]
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o700))
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	for round := range *rounds {
		var all [processes]*process
		for i := range all {
			all[i] = start(ts, "keyfob", "mcp", "connect", "--client", "cursor", "--apply", "--literal", "--name", fmt.Sprintf("s%d", i))
		}
		for i, p := range all {
			_, _ = io.Copy(io.Discard, p.stdout)
			if err := p.cmd.Wait(); err != nil {
				ts.Fatalf("round %d, connect %d: %v\n%s", round, i, err, p.stderr.String())
			}
		}
		got := ts.ReadFile(name)
		for i := range all {
			if n := strings.Count(got, fmt.Sprintf(`"s%d": `, i)); n != 1 {
				ts.Fatalf("round %d: s%d is there %d times:\n%s", round, i, n, got)
			}
		}
		ts.Check(ts.Exec("keyfob", "mcp", "disconnect", "--client", "cursor", "-q"))
		if got := ts.ReadFile(name); got != text {
			ts.Fatalf("round %d: it is not what it was:\n%s", round, got)
		}
	}
}

// left fails if a file with the text in its name was left in the home folder.
func left(ts *testscript.TestScript, text string) {
	ts.Check(filepath.WalkDir(ts.MkAbs("home"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.Contains(filepath.Base(path), text) {
			return fmt.Errorf("%s was left", path)
		}
		return err
	}))
}

// cmdCanary follows connect, headers and disconnect call by call: the key is in no argument of any process, and is written to no
// file that more than its owner can read at that instant: canary.
func cmdCanary(ts *testscript.TestScript, _ bool, _ []string) {
	for name, text := range clientFiles() {
		ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o700))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
	key := ts.Getenv("SECRET")
	written := 0
	for _, args := range [][]string{
		connectArgs(ts),
		{ts.Getenv("BIN") + "/keyfob", "mcp", "connect", "--client", "claude-code", "--client", "claude-desktop", "--apply"},
		{ts.Getenv("BIN") + "/keyfob", "mcp", "test", "--no-engine"},
		{ts.Getenv("BIN") + "/keyfob", "mcp", "status"},
		{ts.Getenv("BIN") + "/keyfob", "mcp", "disconnect", "--client", "all"},
	} {
		trace := ts.MkAbs("trace")
		out, err := traced(ts, append([]string{
			"-y", "-s", "100000", "-o", trace, "-e", "trace=execve,openat,write,pwrite64,fchmod,fchmodat,chmod,renameat,renameat2",
		}, args...)...)
		ts.Check(err)
		if strings.Contains(out, key) {
			ts.Fatalf("%v shows the key: %s", args, out)
		}
		written += followed(ts, trace, key)
	}
	if written < 3 {
		ts.Fatalf("the key was written to %d files only: the trace shows nothing", written)
	}
}

// followed reads a trace and returns how many files the key was written to.
func followed(ts *testscript.TestScript, trace, key string) int {
	f, err := os.Open(trace)
	ts.Check(err)
	defer func() { _ = f.Close() }()
	var (
		made  = regexp.MustCompile(`openat\(.*O_CREAT.*, (0\d+)\) = \d+<([^>]+)>`)
		moded = regexp.MustCompile(`fchmod\(\d+<([^>]+)>, (0\d+)\)`)
		wrote = regexp.MustCompile(`(?:write|pwrite64)\(\d+<(/[^>]+)>`)
	)
	mode, holds := map[string]uint64{}, map[string]bool{}
	octal := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 8, 32)
		ts.Check(err)
		return n
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, "execve(") && strings.Contains(line, key) {
			ts.Fatalf("a process has the key in its arguments: %s", line)
		}
		if m := made.FindStringSubmatch(line); m != nil {
			mode[m[2]] = octal(m[1])
		}
		if m := moded.FindStringSubmatch(line); m != nil {
			mode[m[1]] = octal(m[2])
			if holds[m[1]] && mode[m[1]]&0o077 != 0 {
				ts.Fatalf("%s has the key and becomes %04o", m[1], mode[m[1]])
			}
		}
		if m := wrote.FindStringSubmatch(line); m != nil && strings.Contains(line, key) && !strings.HasPrefix(m[1], "/dev/") {
			if is, known := mode[m[1]]; !known || is&0o077 != 0 {
				ts.Fatalf("the key is written to %s, whose mode is %04o (known: %v)", m[1], is, known)
			}
			holds[m[1]] = true
		}
	}
	ts.Check(lines.Err())
	return len(holds)
}
