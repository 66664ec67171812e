package localservice

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Deadlines of the process below this one.
const (
	startWait = 15 * time.Second
	stopWait  = 15 * time.Second // keyfobd gives its requests 10 s
)

// Info is where a service runs.
type Info struct {
	URL     string `json:"url"`
	DataDir string `json:"data_dir"`
	PID     int    `json:"pid"`
}

// Process is a keyfobd that runs below this process, and ends with it.
type Process struct {
	Info

	cmd   *exec.Cmd
	stdin io.Closer // keyfobd stops when it is closed, so also when this process is killed
	done  chan struct{}
	err   error // after done
	log   *tail
}

// Launcher is how keyfobd is run.
type Launcher struct {
	Program string    // as Program finds it
	Environ []string  // this process's environment
	DataDir string    // absolute
	Log     io.Writer // gets the log as well; may be nil
}

// Start starts `keyfobd serve` and waits until it listens. A failure of keyfobd comes back as its own *cliutil.Error.
func (l Launcher) Start(ctx context.Context, listen string) (*Process, error) {
	// Not CommandContext: that kills, and keyfobd is to stop by itself.
	//nolint:gosec,noctx // our own program, ended by Stop
	cmd := exec.Command(l.Program, "serve", "-o", "json", "--listen", listen, "--data-dir", l.DataDir, "--exit-with-parent", "--setup-link=false")
	p := &Process{cmd: cmd, done: make(chan struct{}), log: &tail{also: l.Log}}
	cmd.Env = withoutToken(l.Environ)
	cmd.Stderr = p.log
	detach(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", l.Program, err)
	}
	ready := make(chan error, 1)
	go func() {
		ready <- p.readReady(stdout)
		_, _ = io.Copy(io.Discard, stdout)
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, p.await(ctx, ready)
}

func (p *Process) readReady(stdout io.Reader) error {
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return err
	}
	var doc struct {
		Service Info `json:"service"`
	}
	if err := json.Unmarshal(line, &doc); err != nil || doc.Service.URL == "" {
		return errors.New("keyfobd said something else than where it listens")
	}
	p.Info = doc.Service
	return nil
}

func (p *Process) await(ctx context.Context, ready <-chan error) error {
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case err := <-ready:
		if err == nil {
			return nil
		}
		stopErr := p.Stop()
		if failure := p.log.failure(p.cmd.ProcessState); failure != nil {
			return failure
		}
		return errors.Join(fmt.Errorf("keyfobd did not start: %w", err), stopErr)
	case <-ctx.Done():
		_ = p.Stop()
		return ctx.Err()
	case <-timer.C:
		_ = p.Stop()
		return fmt.Errorf("keyfobd did not start within %s; its log ends: %s", startWait, p.log.last())
	}
}

// Done is closed when the process has ended; Err then says how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended; call it after Done.
func (p *Process) Err() error {
	if failure := p.log.failure(p.cmd.ProcessState); failure != nil {
		return failure
	}
	if p.err != nil {
		return fmt.Errorf("keyfobd ended: %w; its log ends: %s", p.err, p.log.last())
	}
	return errors.New("keyfobd ended by itself")
}

// Stop asks the process to stop and waits until it has; past the deadline it is killed and Stop says so.
func (p *Process) Stop() error {
	_ = p.stdin.Close()
	timer := time.NewTimer(stopWait)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("keyfobd did not stop within %s and was killed", stopWait)
	}
}

// Bootstrapped is what `keyfobd bootstrap` made or found.
type Bootstrapped struct {
	Org     api.Org
	User    api.User
	Session secret.Secret
}

// Bootstrap runs `keyfobd bootstrap`: an organisation, its owner and a session for them, handed over through a pipe.
func (l Launcher) Bootstrap(ctx context.Context, orgSlug, userName string) (Bootstrapped, error) {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	//nolint:gosec // our own program
	cmd := exec.CommandContext(ctx, l.Program, "bootstrap", "-o", "json", "--data-dir", l.DataDir, "--org", orgSlug, "--user", userName)
	cmd.Env = withoutToken(l.Environ)
	log := &tail{}
	cmd.Stderr = log
	doc, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return Bootstrapped{}, fmt.Errorf("keyfobd bootstrap did not end: %w", ctx.Err())
		}
		if failure := log.failure(cmd.ProcessState); failure != nil {
			return Bootstrapped{}, failure
		}
		return Bootstrapped{}, fmt.Errorf("keyfobd bootstrap: %w: %s", err, log.last())
	}
	var out struct {
		Org     api.Org  `json:"org"`
		User    api.User `json:"user"`
		Session string   `json:"session"`
	}
	if err := json.Unmarshal(doc, &out); err != nil {
		return Bootstrapped{}, errors.New("keyfobd bootstrap answered with something else than JSON")
	}
	session, err := secret.Parse(secret.Session, out.Session)
	if err != nil {
		return Bootstrapped{}, fmt.Errorf("keyfobd bootstrap answered without a session: %w", err)
	}
	return Bootstrapped{Org: out.Org, User: out.User, Session: session}, nil
}

// tail keeps the end of a log, for when the process fails.
type tail struct {
	mu   sync.Mutex
	buf  []byte
	also io.Writer
}

const tailSize = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	if t.also != nil {
		_, _ = t.also.Write(b)
	}
	return len(b), nil
}

// last is the last line of the log.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	return string(lines[len(lines)-1])
}

// failure is the error object that keyfobd ended its log with, if it did.
func (t *tail) failure(state *os.ProcessState) *cliutil.Error {
	var doc struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Hint    string `json:"hint"`
		} `json:"error"`
	}
	// A log that ends in something else leaves the code empty.
	_ = json.Unmarshal([]byte(t.last()), &doc)
	if doc.Error.Code == "" || state == nil {
		return nil
	}
	return &cliutil.Error{
		Code: doc.Error.Code, Exit: cliutil.Exit(state.ExitCode()), Message: doc.Error.Message, Hint: doc.Error.Hint,
	}
}
