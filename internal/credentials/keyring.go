package credentials

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Keyring keeps values by service and user. Its calls may hang, panic or lie. Get and Delete of what isn't there return
// ErrNone.
type Keyring interface {
	Get(service, user string) (string, error)
	Set(service, user, value string) error
	Delete(service, user string) error
}

const defaultTimeout = 3 * time.Second

var errPanicked = errors.New("it answered with something unreadable")

// keyringPlace is a keyring that can't hold the process up. Its calls run one at a time and share one allowance of time;
// after the first failure the keyring counts as broken and is never called again.
type keyringPlace struct {
	ring Keyring
	// absent says that there is no keyring to call; its Error has a reason and a hint.
	absent func() *Error
	limit  time.Duration

	turn   chan struct{} // holds one token, which owns what follows
	left   time.Duration
	broken *Error
}

func newKeyringPlace(cfg Config) *keyringPlace {
	p := &keyringPlace{
		ring:   cfg.Keyring,
		absent: func() *Error { return nil },
		limit:  cfg.Timeout,
		turn:   make(chan struct{}, 1),
	}
	if p.ring == nil {
		p.ring = osKeyring{unattended: cfg.Unattended}
		p.absent = func() *Error { return busMissing(cfg) }
	}
	if p.limit <= 0 {
		p.limit = defaultTimeout
	}
	p.left = p.limit
	return p
}

func (p *keyringPlace) source(ref Ref) Source {
	if ref.Key != "" {
		return Source{KindKeyring, "keyfob-key:" + ref.Origin}
	}
	return Source{KindKeyring, "keyfob:" + ref.Origin}
}

func (*keyringPlace) check(Ref) error { return nil }

func (p *keyringPlace) get(ctx context.Context, ref Ref) (string, error) {
	return p.call(ctx, func() (string, error) { return p.ring.Get(p.source(ref).Detail, ref.account()) })
}

func (p *keyringPlace) put(ctx context.Context, ref Ref, value string) error {
	_, err := p.call(ctx, func() (string, error) { return "", p.ring.Set(p.source(ref).Detail, ref.account(), value) })
	return err
}

// remove looks again after the keyring said that the item is gone: a dismissed prompt looks like success.
func (p *keyringPlace) remove(ctx context.Context, ref Ref) (bool, error) {
	_, err := p.call(ctx, func() (string, error) { return "", p.ring.Delete(p.source(ref).Detail, ref.account()) })
	if errors.Is(err, ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = p.get(ctx, ref)
	if errors.Is(err, ErrNone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, &Error{
		Place:  KindKeyring,
		Reason: fmt.Sprintf("the %s was not removed: %s still holds it", ref.noun(), p.source(ref)),
		Hint:   "try again and confirm the keyring's prompt, or remove the item with the keyring's own program",
	}
}

type answer struct {
	value string
	err   error
}

// call runs f, a call of the keyring, for as long as time is left. A call that is given up runs on, since there is no way
// to stop it, and its answer goes nowhere.
func (p *keyringPlace) call(ctx context.Context, f func() (string, error)) (string, error) {
	if e := p.absent(); e != nil {
		return "", e
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return "", cancelled(ctx, KindKeyring)
	}
	if p.broken != nil {
		return "", p.broken
	}
	if p.left <= 0 {
		return "", p.fail(p.tooSlow())
	}

	started := time.Now()
	timer := time.NewTimer(p.left)
	defer timer.Stop()
	answers := make(chan answer, 1) // room for an answer that nobody waits for any more
	go func() { answers <- protected(f) }()

	select {
	case a := <-answers:
		p.left -= time.Since(started)
		if a.err != nil && !errors.Is(a.err, ErrNone) {
			return "", p.fail(explain(a.err))
		}
		return a.value, a.err
	case <-timer.C:
		return "", p.fail(p.tooSlow())
	case <-ctx.Done():
		// The call is still out; another one beside it would fare no better.
		_ = p.fail(&Error{Reason: "the OS keyring had not answered when the command was cancelled", Hint: "run it again"})
		return "", cancelled(ctx, KindKeyring)
	}
}

// protected turns a panic of f into an error, without what it says: that may hold a secret.
func protected(f func() (string, error)) (a answer) {
	defer func() {
		if recover() != nil {
			a = answer{err: errPanicked}
		}
	}()
	value, err := f()
	return answer{value, err}
}

func (p *keyringPlace) fail(e *Error) error {
	e.Place, e.err = KindKeyring, ErrUnavailable
	p.broken = e
	return e
}

func (p *keyringPlace) tooSlow() *Error {
	return &Error{
		Reason: fmt.Sprintf("the OS keyring did not answer within %s", p.limit),
		Hint:   "unlock the keyring or answer its prompt and try again, or set " + tokenVariable,
	}
}
