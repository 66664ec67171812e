package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// cmdTerminal runs a program on a pseudo-terminal, types the lines of a file ("-": none) and asks for its exit code: terminal
// CODE TYPED PROGRAM [ARG…]. What the terminal showed becomes stdout, its lines ended as in a file.
func cmdTerminal(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	typed := ""
	if args[1] != "-" {
		typed = ts.ReadFile(args[1])
	}
	line, err := shellquote.Line(shellquote.Sh, args[2:])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "script", "-qefc", line, "/dev/null") // of util-linux
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts, "TERM", "NO_COLOR", "CLICOLOR_FORCE")
	cmd.Stdin = strings.NewReader(typed)
	out, err := cmd.Output()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		ts.Check(err)
	}
	text := strings.ReplaceAll(string(out), "\r\n", "\n")
	_, err = io.WriteString(ts.Stdout(), text)
	ts.Check(err)
	if code := cmd.ProcessState.ExitCode(); code != want {
		ts.Fatalf("exit code %d, want %d\n%s", code, want, text)
	}
}

// cmdWatch follows the events, changes a key until one comes, and ends the watch with Ctrl-C: watch KEY.
func cmdWatch(ts *testscript.TestScript, _ bool, args []string) {
	p := start(ts, "keyfob", "events", "list", "--watch", "--type", "key", "-o", "json")
	came := make(chan string, 1)
	go func() {
		line, _ := p.stdout.ReadString('\n')
		came <- line
		p.drain()
	}()
	defer p.stop(ts)
	late := time.After(deadline)
	for verb := "disable"; ; {
		ts.Check(ts.Exec("keyfob", "keys", verb, args[0]))
		if verb == "disable" {
			verb = "enable"
		} else {
			verb = "disable"
		}
		select {
		case line := <-came:
			var event struct{ Type string }
			if err := json.Unmarshal([]byte(line), &event); err != nil || !strings.HasPrefix(event.Type, "key.") {
				ts.Fatalf("the watch printed %q", line)
			}
			p.stop(ts)
			if code := p.cmd.ProcessState.ExitCode(); code != 0 {
				ts.Fatalf("the watch ended with exit code %d", code)
			}
			return
		case <-late:
			ts.Fatalf("no event came within %s", deadline)
		default:
		}
	}
}
