package cliutil

import (
	"io"
	"sync"
	"time"
)

// progressAfter is how long a request may take before a person is told that something is under way.
const progressAfter = 500 * time.Millisecond

// progress shows on a terminal that a request is under way, and takes it away again.
type progress struct {
	w io.Writer

	mu    sync.Mutex
	shown bool
	timer *time.Timer
}

// newProgress returns what the client calls when a request begins and ends; nil where nobody looks: off a terminal, on a
// dumb one, and with --quiet.
func newProgress(streams *IOStreams, env func(string) string, quiet bool) func(waiting bool) {
	if !streams.ErrTTY || quiet || env("TERM") == "dumb" {
		return nil
	}
	p := &progress{w: streams.ErrOut}
	return p.waiting
}

func (p *progress) waiting(waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if waiting {
		p.timer = time.AfterFunc(progressAfter, p.show)
		return
	}
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer == nil { // the request ended in between
		return
	}
	_, _ = io.WriteString(p.w, "\rWaiting for the service …")
	p.shown = true
}
