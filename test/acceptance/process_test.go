package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// process is a program in the background.
type process struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
	done   chan struct{}
}

func start(ts *testscript.TestScript, program string, args ...string) *process {
	p := prepare(ts, program, args...)
	p.begin(ts)
	return p
}

func (p *process) begin(ts *testscript.TestScript) {
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	p.stdout = bufio.NewReader(out)
	ts.Check(p.cmd.Start())
}

func prepare(ts *testscript.TestScript, program string, args ...string) *process {
	path, err := exec.LookPath(ts.Getenv("BIN") + "/" + program)
	ts.Check(err)
	p := &process{cmd: exec.CommandContext(context.Background(), path, args...), done: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = environment(ts)
	p.cmd.Stderr = &p.stderr
	return p
}

// environment is what a program is given of the script's.
func environment(ts *testscript.TestScript, more ...string) []string {
	var env []string
	for _, name := range append([]string{"HOME", "PATH", "USER", "SHELL", "KEYFOB_URL", "KEYFOB_TOKEN", "KEYFOB_CONFIG_DIR"}, more...) {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// firstObject decodes the first JSON object that the process prints.
func (p *process) firstObject(ts *testscript.TestScript, into any) []byte {
	type read struct {
		doc json.RawMessage
		err error
	}
	got := make(chan read, 1)
	go func() {
		var doc json.RawMessage
		err := json.NewDecoder(p.stdout).Decode(&doc)
		got <- read{doc, err}
		p.drain()
	}()
	select {
	case r := <-got:
		if r.err != nil {
			<-p.done
			ts.Fatalf("no JSON object: %v\nstderr: %s", r.err, p.stderr.String())
		}
		ts.Check(json.Unmarshal(r.doc, into))
		return r.doc
	case <-time.After(deadline):
		_ = p.cmd.Process.Kill()
		ts.Fatalf("nothing printed within %s\nstderr: %s", deadline, p.stderr.String())
		return nil
	}
}

// drain waits for the end of the process.
func (p *process) drain() {
	_, _ = io.Copy(io.Discard, p.stdout)
	_ = p.cmd.Wait()
	close(p.done)
}

// stop sends Ctrl-C and waits.
func (p *process) stop(ts *testscript.TestScript) {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(deadline):
		_ = p.cmd.Process.Kill()
		ts.Fatalf("%s did not stop within %s", p.cmd.Path, deadline)
	}
}
