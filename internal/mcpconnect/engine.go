package mcpconnect

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
)

// ErrNoEngine says that a client has no program here that could be asked.
var ErrNoEngine = errors.New("it has no program that can be asked")

// AskEngine has the client's own program say whether the server of the name is connected. What the program prints may hold
// the key, and is not passed on. ErrNoEngine: there is none, or not on PATH.
func (c Connector) AskEngine(ctx context.Context, client mcpclient.Client, name, dir string, environ []string) (bool, error) {
	check := client.Engine().Check
	if check == nil {
		return false, ErrNoEngine
	}
	argv := check.Argv(name)
	program, err := c.Where.LookPath(argv[0])
	if err != nil {
		return false, ErrNoEngine
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(check.Seconds, 10))*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, argv[1:]...) //nolint:gosec // of our table
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, slices.Concat(environ, check.Env), time.Second
	out := &answer{name: name, check: check, done: cancel}
	cmd.Stdout, cmd.Stderr = out, out
	if check.Stdin == "" {
		out.done = func() {} // it ends by itself
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	_, _ = io.WriteString(stdin, check.Stdin)
	if check.Stdin == "" {
		_ = stdin.Close()
	}
	err = cmd.Wait()
	if connected, answered := out.verdict(); answered {
		return connected, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return false, errors.New("it did not answer in time")
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	return false, nil
}

// answer collects what a program prints until it has said whether the server is connected.
type answer struct {
	name  string
	check *mcpclient.Check
	done  func()

	mu       sync.Mutex
	out      bytes.Buffer
	yes      bool
	answered bool // nothing that follows changes it
}

const maxAnswer = 4 << 20

// Write reads along.
func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.out.Len()+len(p) > maxAnswer {
		return 0, errors.New("the answer is too long")
	}
	a.out.Write(p)
	if text := a.out.String(); !a.answered {
		a.yes = a.check.Connected(a.name, text)
		if a.answered = a.yes || a.check.Answered(text); a.answered {
			a.done()
		}
	}
	return len(p), nil
}

func (a *answer) verdict() (connected, answered bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.yes, a.answered
}
