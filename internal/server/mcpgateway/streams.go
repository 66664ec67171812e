package mcpgateway

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxMissed checks may stay without an answer: a revocation ends what is open within four of them, a second.
const maxMissed = 3

var (
	errIdle     = errors.New("nothing was sent for too long")
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
	bounds   bounds
	groups   map[string]*group
	perKey   map[string]int // requests under way, by the key's id
	timer    *time.Timer
	grace    *time.Timer // ends what still runs; nil: the service does not stop, or nothing ran
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
	key    string // its id
	get    bool
	end    context.CancelCauseFunc
	idle   *time.Timer
}

// open begins a request; nil: the key has too many under way.
func (s *streams) open(ctx context.Context, c Caller, get bool) (context.Context, *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perKey[c.KeyID] >= s.bounds.perKey {
		return ctx, nil
	}
	s.perKey[c.KeyID]++
	ctx, end := context.WithCancelCause(ctx)
	st := &stream{secret: c.Secret, key: c.KeyID, get: get, end: end}
	st.idle = time.AfterFunc(s.bounds.idle, func() { end(errIdle) })
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
		s.timer = time.AfterFunc(s.bounds.check, s.tick)
	}
	return ctx, st
}

func (s *streams) close(st *stream) {
	st.idle.Stop()
	st.end(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.perKey[st.key]--; s.perKey[st.key] == 0 {
		delete(s.perKey, st.key)
	}
	g := s.groups[st.secret]
	delete(g.open, st)
	if len(g.open) == 0 {
		delete(s.groups, st.secret)
	}
	if len(s.groups) > 0 {
		return
	}
	s.timer.Stop()
	s.timer = nil
	if s.grace != nil {
		s.grace.Stop()
	}
}

func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, open := range s.perKey {
		n += open
	}
	return n
}

// tick ends what could not be asked about for too long, then asks, unless an earlier check still waits for the store.
func (s *streams) tick() {
	s.mu.Lock()
	if s.timer == nil {
		s.mu.Unlock()
		return
	}
	s.timer.Reset(s.bounds.check)
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
	ctx, cancel := context.WithTimeout(context.Background(), s.bounds.check)
	defer cancel()
	for _, g := range all {
		refused, err := g.still(ctx)
		s.mu.Lock()
		if err == nil {
			g.missed = 0
		}
		if refused != nil {
			g.end(&endedError{refused})
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.checking = false
	s.mu.Unlock()
}

func (g *group) end(reason error) {
	for st := range g.open {
		st.end(reason)
	}
}

func (s *streams) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.endAll(func(st *stream) bool { return st.get })
	if len(s.groups) == 0 || s.grace != nil {
		return
	}
	s.grace = time.AfterFunc(s.bounds.grace, func() {
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
