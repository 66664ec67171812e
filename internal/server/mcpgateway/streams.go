package mcpgateway

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	checkEvery = 250 * time.Millisecond
	maxMissed  = 3 // checks without an answer; with these a revocation ends what is open within a second
	drainGrace = 5 * time.Second
)

var (
	errIdle     = errors.New("nothing was sent for an hour")
	errDraining = errors.New("the service stops")
	errNoAnswer = errors.New("whether the key still opens could not be found out")
)

// endedError is why a stream was ended: its key was refused.
type endedError struct{ reason error }

func (e *endedError) Error() string { return e.reason.Error() }
func (e *endedError) Unwrap() error { return e.reason }

// streams are the requests under way, by the secret that opened them. One timer asks about all secrets, and none runs where there
// is nothing open.
type streams struct {
	mu       sync.Mutex
	groups   map[string]*group
	timer    *time.Timer
	checking bool
	draining bool
}

type group struct {
	still  func(context.Context) (refused, err error)
	missed int
	open   map[*stream]bool
}

type stream struct {
	secret string
	get    bool
	end    context.CancelCauseFunc
	idle   *time.Timer
}

func (s *streams) open(ctx context.Context, c Caller, get bool) (context.Context, *stream) {
	ctx, end := context.WithCancelCause(ctx)
	st := &stream{secret: c.Secret, get: get, end: end}
	st.idle = time.AfterFunc(idleTimeout, func() { end(errIdle) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		end(errDraining)
	}
	g := s.groups[c.Secret]
	if g == nil {
		g = &group{still: c.Still, open: map[*stream]bool{}}
		s.groups[c.Secret] = g
	}
	g.open[st] = true
	if s.timer == nil {
		s.timer = time.AfterFunc(checkEvery, s.tick)
	}
	return ctx, st
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, g := range s.groups {
		n += len(g.open)
	}
	return n
}

func (s *streams) close(st *stream) {
	st.idle.Stop()
	st.end(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[st.secret]
	delete(g.open, st)
	if len(g.open) == 0 {
		delete(s.groups, st.secret)
	}
	if len(s.groups) == 0 && s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// tick ends what could not be asked about for too long, then asks, unless an earlier check still waits for the store.
func (s *streams) tick() {
	s.mu.Lock()
	if s.timer == nil {
		s.mu.Unlock()
		return
	}
	s.timer.Reset(checkEvery)
	var all []*group
	for _, g := range s.groups {
		if g.missed++; g.missed > maxMissed {
			g.end(errNoAnswer)
		}
		all = append(all, g)
	}
	if s.checking {
		s.mu.Unlock()
		return
	}
	s.checking = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), checkEvery)
	defer cancel()
	for _, g := range all {
		refused, err := g.still(ctx)
		s.mu.Lock()
		if err == nil {
			g.missed = 0
		}
		if refused != nil {
			g.end(refused)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.checking = false
	s.mu.Unlock()
}

func (g *group) end(reason error) {
	for st := range g.open {
		st.end(&endedError{reason})
	}
}

func (s *streams) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.endAll(func(st *stream) bool { return st.get })
	time.AfterFunc(drainGrace, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endAll(func(*stream) bool { return true })
	})
}

func (s *streams) endAll(which func(*stream) bool) {
	for _, g := range s.groups {
		for st := range g.open {
			if which(st) {
				st.end(errDraining)
			}
		}
	}
}
