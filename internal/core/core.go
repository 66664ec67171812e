// Package core is the domain: the rules of organisations, sessions, keys, their secrets and the events that record them.
//
// Every rule about who may do what, what a name may be and which secret opens something is here and nowhere else. The
// package must not know HTTP, SQL, files or the environment.
package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Config is what a Service is made of.
type Config struct {
	Store    store.Store
	Material Material
	// Reload returns the material as it is now, when the store needs what Material does not have; nil: there is no other.
	Reload func() (Material, error)
	// Where says where material of a kind and id is looked for, for errors; nil: they don't say.
	Where func(kind, id string) string
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: none
	// Passwords says that there are local accounts: members are invited by a set-up link and sign in with a password.
	Passwords bool
	// Joins are the rules by which who signs in with an OpenID provider becomes a member. Of two for one domain and org the first
	// counts.
	Joins []Join
	// Tokens checks the tokens of jobs; nil: none is taken.
	Tokens TokenVerifier
	// Replica is the name of this service among others on the same store; empty: it is alone. A replica answers checks while it has
	// a lease, and a change is acknowledged when every replica knows of it.
	Replica string
	// Brief is for one piece of work beside a service that may serve the same store: what that has journalled stays its own.
	Brief bool
	// Version is what the replica says of itself.
	Version string
}

// Service is the domain over one store. It is safe for concurrent use. Close it before the store.
type Service struct {
	store     store.Store
	keys      material
	clock     func() time.Time
	log       *slog.Logger
	usage     *usage
	pinged    lastPing
	passwords bool
	hasher    hasher
	joins     []Join
	tokens    TokenVerifier
	sweep     *sweeper
	index     *index
	replica   *replica // nil: this service is alone on its store
	checks    checkCounts
	unknown   error // the one answer to a key that opens nothing
	rates     *rates
	failures  *failures
	guessing  error // the answer in its place to who sent too many
}

const newTimeout = 10 * time.Second

// New makes a service and starts the goroutines that write the use of keys and bring rotations forward; Close stops them. A store that was made under
// other material answers ErrMaterial.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("core: no store")
	}
	keys, err := newMaterial(cfg.Material, keySource{cfg.Reload, cfg.Where})
	if err != nil {
		return nil, err
	}
	if err := checkJoins(cfg.Joins); err != nil {
		return nil, err
	}
	s := &Service{
		store: cfg.Store, keys: keys, clock: cfg.Now, log: cfg.Log,
		passwords: cfg.Passwords, hasher: newHasher(), joins: slices.Clone(cfg.Joins), tokens: cfg.Tokens,
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.index, s.unknown = newIndex(s.view, keys.peppers), unknownKey()
	s.rates, s.failures, s.guessing = newRates(), newFailures(s.now()), tooManyFailures()
	ctx, cancel := context.WithTimeout(context.Background(), newTimeout)
	defer cancel()
	if err := s.claim(ctx); err != nil {
		return nil, err
	}
	if s.usage, err = newUsage(s.store, s.log, s.now, cfg.Replica != "" || cfg.Brief, !cfg.Brief, s.movePresented); err != nil {
		return nil, fmt.Errorf("read the journal of use: %w", s.fault(err))
	}
	s.sweep = newSweeper(s)
	if cfg.Replica != "" {
		s.lead(cfg)
	}
	s.index.remember()
	return s, nil
}

// now is the time as the store keeps it: microseconds, UTC.
func (s *Service) now() time.Time { return micro(s.clock()) }

func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// lastPing remembers when the store last proved itself.
type lastPing struct {
	mu sync.Mutex
	at time.Time
}

// forget has the next question asked anew.
func (p *lastPing) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = time.Time{}
}

const pingEvery = time.Second

// Ready says whether the store can be read and written: nil, or CodeUnavailable. It asks the store, which costs a synced
// write, at most once a second.
func (s *Service) Ready(ctx context.Context) error {
	if s.replica != nil && !s.replica.lease.valid() {
		return errStale()
	}
	s.pinged.mu.Lock()
	at := s.pinged.at
	s.pinged.mu.Unlock()
	now := s.now()
	if age := now.Sub(at); age >= 0 && age < pingEvery {
		return nil
	}
	if err := s.store.Ping(ctx); err != nil {
		return &Error{Code: api.CodeUnavailable, Detail: "the store can't be read and written", err: err}
	}
	err := s.view(ctx, func(tx store.Tx) error {
		_, err := s.keys.peppers.of(tx)
		return err
	})
	if err != nil {
		return err
	}
	s.pinged.mu.Lock()
	defer s.pinged.mu.Unlock()
	s.pinged.at = now
	return nil
}

// Close writes the use of keys that is not written yet and stops the goroutines that New started. It does not close the
// store. A second Close does nothing.
func (s *Service) Close(ctx context.Context) error {
	s.sweep.close()
	s.index.close()
	if s.replica != nil {
		s.replica.close()
	}
	if err := s.usage.close(ctx); err != nil {
		return fmt.Errorf("use of keys is not all written: %w", err)
	}
	return nil
}

func (s *Service) view(ctx context.Context, fn func(store.Tx) error) error {
	return s.fault(s.store.View(ctx, fn))
}

func (s *Service) update(ctx context.Context, fn func(store.Tx) error) error {
	if s.replica != nil {
		return s.updateAmong(ctx, fn)
	}
	var t *touching
	err := s.store.Update(ctx, func(tx store.Tx) error {
		s.index.undone(t)
		t = &touching{Tx: tx}
		if err := t.run(fn); err != nil {
			return err
		}
		s.index.expect(t)
		return nil
	})
	s.index.settle(t, err)
	return s.fault(err)
}
