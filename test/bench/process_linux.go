package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// process is a server that runs.
type process struct {
	server

	cmd   *exec.Cmd
	ready time.Duration // from its start
}

// start starts a server and waits until it answers; nil: it is not installed.
func (b *bench) start(ctx context.Context, s server) (*process, error) {
	if _, err := exec.LookPath(s.argv[0]); err != nil {
		b.printf("%s: not installed\n\n", s.name)
		return nil, nil //nolint:nilnil // nothing to measure
	}
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	log, err := os.Create(filepath.Join(b.dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{server: s, cmd: cmd}
	if err := p.answers(ctx); err != nil {
		p.stop()
		return nil, err
	}
	p.ready = time.Since(began)
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

// answers waits until the server says that it is ready; those that have no word for it must answer at all.
func (p *process) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.origin()+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode < http.StatusInternalServerError {
				return nil
			}
			err = errors.New(res.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (p *process) origin() string { return strings.TrimSuffix(p.url, authzPath) }

func (p *process) address() string { return strings.TrimPrefix(p.origin(), "http://") }

func (p *process) path() string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(p.url, p.origin()), "/")
}

// cpu is the processor time that the process has used.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid, false) }

// cpuOf is the processor time that a process has used, and that of its children that have ended, by /proc/PID/stat, in ticks of 10 ms.
func cpuOf(pid int, ended bool) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var user, system, childUser, childSystem int64
	if _, err := fmt.Sscan(strings.Join(fields[11:15], " "), &user, &system, &childUser, &childSystem); err != nil {
		return 0
	}
	if ended {
		user, system = user+childUser, system+childSystem
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rss is the memory of the process in MiB; peak: the most that it had.
func (p *process) rss(peak bool) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	what := "VmRSS:"
	if peak {
		what = "VmHWM:"
	}
	_, rest, _ := strings.Cut(string(text), what)
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0
	}
	return kib / 1024
}
