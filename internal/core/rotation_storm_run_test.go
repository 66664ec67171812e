package core_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// fate is what becomes of a process at a point where it stands.
type fate string

const (
	goesOn    fate = "goes on"
	dies      fate = "dies"       // kill -9
	lost      fate = "lost"       // the request, or its answer, never arrives
	fails     fate = "fails"      // the sink refuses
	lies      fate = "lies"       // the sink says that it has the secret and has another
	hangs     fate = "hangs"      // the sink never answers
	late      fate = "late"       // the sink answers after half a minute
	keepsMum  fate = "keeps mum"  // the sink has the secret and says that it failed
	afterward fate = "afterwards" // the sink takes the secret when the run has long given up
)

// Where a process stands.
const (
	atRequest = "request"
	atAnswer  = "answer"
	atSink    = "sink"
)

// fatesAt are those that a process can have where it stands.
func fatesAt(where string, reads bool) []fate {
	switch {
	case where != atSink:
		return []fate{dies, lost}
	case reads:
		return []fate{dies, fails, lies, hangs, late, keepsMum, afterward}
	}
	return []fate{dies, fails, hangs, late, keepsMum, afterward} // that one lies which can't be read nobody can know
}

const (
	sinkTime  = time.Minute      // a sink has so long, as internal/sink gives a program
	lateAfter = 30 * time.Second // but it takes so long
	tries     = 3                // of a request, as pkg/client makes
)

var (
	errLost      = errors.New("no answer came")
	errSinkFails = errors.New("the sink fails")
)

// place is a sink.
type place struct {
	name    string
	reads   bool
	holds   secret.Secret
	receipt bool // the service was told that it has what it holds
	spoilt  bool // what was written last opened nothing then
}

// run is `keyfob keys rotate`, one process of it, as the service and the sinks see it: the steps of internal/rotation, at each of
// which it stands until the schedule says what becomes of it.
type run struct {
	s      *storm
	by     core.Principal
	name   string
	order  []string // of its steps
	grace  time.Duration
	onUse  api.OnUse
	resume chan fate

	// Under the storm's lock.
	where string // it stands at; empty: it runs, or waits for a sink
	at    *place // the sink that it stands at
	ended bool
	err   error

	rot core.Rotation
	sec secret.Secret
}

func (r *run) point(where string, at *place) fate {
	r.s.mu.Lock()
	r.where, r.at = where, at
	r.s.mu.Unlock()
	f := <-r.resume
	if f == dies {
		runtime.Goexit()
	}
	return f
}

func (r *run) stands() (where string, at *place) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.where, r.at
}

// main is the process.
func (r *run) main() {
	defer func() {
		r.s.mu.Lock()
		r.where, r.ended = "", true
		r.s.mu.Unlock()
	}()
	err := r.rotate()
	r.s.mu.Lock()
	r.err = err
	r.s.mu.Unlock()
}

func (r *run) rotate() error {
	in := core.NewRotation{Run: r.name}
	for _, p := range r.s.places {
		in.Sinks = append(in.Sinks, p.name)
	}
	out, err := ask(r, func() (core.Opened, error) {
		out, err := r.s.svc.OpenRotation(context.Background(), r.by, "acme", r.s.key.ID, in, fromHere())
		if err == nil {
			r.s.opened(r, out)
		}
		return out, err
	})
	if err != nil {
		return err
	}
	r.rot, r.sec = out.Rotation, out.Secret
	if !r.rot.PromotedAt.IsZero() {
		return r.again()
	}
	steps := map[string]func() error{"deliver": r.deliver, "receipts": r.receipts, "prove": r.prove, "promote": r.promote}
	for _, name := range r.order {
		if err := steps[name](); err != nil {
			return err
		}
	}
	return nil
}

// ask makes a request until an answer comes. What the service has done it has done, whether or not anybody hears of it.
func ask[T any](r *run, do func() (T, error)) (out T, err error) {
	for range tries {
		if r.point(atRequest, nil) == lost {
			err = errLost
			continue
		}
		out, err = do()
		r.s.look(err)
		if r.point(atAnswer, nil) == lost {
			err = errLost
			continue
		}
		return out, err
	}
	return out, err
}

// deliver writes to each sink what it does not hold, and says so.
func (r *run) deliver() error {
	for _, p := range r.s.places {
		if err := r.put(p, slices.ContainsFunc(r.rot.Sinks, func(s core.Sink) bool { return s.Name == p.name && !s.DeliveredAt.IsZero() })); err != nil {
			return err
		}
		if err := r.receipt(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) put(p *place, received bool) error {
	if received && !p.reads || p.reads && r.s.holds(p, r.sec) {
		return nil
	}
	switch r.point(atSink, p) {
	case fails:
		return errSinkFails
	case keepsMum:
		r.s.write(p, r.sec)
		return errSinkFails
	case hangs:
		<-time.After(sinkTime)
		return errSinkFails
	case afterward:
		<-time.After(sinkTime)
		r.s.afterward(p, r.sec)
		return errSinkFails
	case late:
		<-time.After(lateAfter)
		r.s.write(p, r.sec)
	case lies:
		r.s.write(p, secret.New(secret.Key))
	default:
		r.s.write(p, r.sec)
	}
	if p.reads && !r.s.holds(p, r.sec) {
		return errSinkFails
	}
	return nil
}

func (r *run) receipt(p *place) error {
	var err error
	r.rot, err = ask(r, func() (core.Rotation, error) {
		rot, _, err := r.s.svc.DeliverRotation(context.Background(), r.by, "acme", r.s.key.ID, r.rot.ID, p.name, p.reads, fromHere())
		if err == nil {
			r.s.told(p)
		}
		return rot, err
	})
	return err
}

// afterward has a sink take a secret when its run is gone.
func (s *storm) afterward(p *place, sec secret.Secret) {
	s.mu.Lock()
	s.afterwards++
	s.mu.Unlock()
	time.AfterFunc(lateAfter, func() {
		s.write(p, sec)
		s.mu.Lock()
		s.afterwards--
		s.mu.Unlock()
	})
}

// receipts is what no run should do: to say that a sink has what it was not given.
func (r *run) receipts() error {
	for _, p := range r.s.places {
		if err := r.receipt(p); err != nil {
			return err
		}
	}
	return nil
}

// prove uses the secret, and says so.
func (r *run) prove() error {
	if _, err := ask(r, func() (core.Caller, error) {
		return r.s.svc.CheckKey(context.Background(), r.sec.Reveal(), core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "test"})
	}); err != nil {
		return err
	}
	_, err := ask(r, func() (core.Rotation, error) {
		rot, _, err := r.s.svc.ProveRotation(context.Background(), r.by, "acme", r.s.key.ID, r.rot.ID, fromHere())
		return rot, err
	})
	return err
}

func (r *run) promote() error {
	for _, p := range r.s.places {
		if p.reads && !r.s.holds(p, r.sec) && slices.Index(r.order, "deliver") < slices.Index(r.order, "promote") {
			return errSinkFails
		}
	}
	_, err := ask(r, func() (core.Rotation, error) {
		rot, _, err := r.s.svc.PromoteRotation(context.Background(), r.by, "acme", r.s.key.ID, r.rot.ID, core.Promotion{Grace: r.grace, OnUse: r.onUse}, fromHere())
		return rot, err
	})
	return err
}

// again is a run that was done: what its sinks that can be read have lost is given to them again.
func (r *run) again() error {
	key, err := ask(r, func() (core.Key, error) {
		key, sec, err := r.s.svc.RevealKey(context.Background(), r.by, "acme", r.s.key.ID)
		r.sec = sec
		return key, err
	})
	if err != nil {
		return err
	}
	for _, v := range key.Secrets {
		if v.State == api.SecretCurrent && v.Version != r.rot.NewVersion {
			return errors.New("superseded")
		}
	}
	for _, p := range r.s.places {
		if err := r.put(p, true); err != nil {
			return err
		}
	}
	return nil
}
