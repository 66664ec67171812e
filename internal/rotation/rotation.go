// Package rotation takes a key's rotation from its first step to its last: mint, deliver, prove, promote.
//
// It may die anywhere and be run again: the record of the rotation lies on the service, each step there can be asked for again, and
// what a sink holds is looked at where it can be. The package must not know the command line.
package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Run is one try at a rotation.
type Run struct {
	Client *client.Client
	Org    string
	Key    string // name or id
	// Name is what the run's repetition has in common with it, such as the id of a CI run; empty: nothing.
	Name      string
	Sinks     []sink.Sink
	Check     *sink.Program // proves that the new secret works, beside the service; nil: nothing does
	Grace     time.Duration // how long the old secret goes on
	OnUse     api.OnUse
	Quiet     time.Duration // ends the old secret once it was not used for so long; 0: it ends with the grace
	Activate  api.Activate  // when the new secret becomes the current one
	Emergency bool

	// Minted is told the secret before anything else is done with it.
	Minted func(secret.Secret)
	// Note is told what is done.
	Note func(format string, args ...any)
}

// Result is a rotation that is promoted, or waits for the first use of its secret.
type Result struct {
	api.RotationEnvelope

	Secret secret.Secret
	Again  bool // this run had rotated the key before
}

// StepError says which step failed. Unless Opened, nothing has happened; else the old secret works on, and the rotation can be gone
// on with or taken back.
type StepError struct {
	Step   string // what was not done: "deliver", "prove", "promote"
	Opened bool
	Cut    bool // the old secret was cut first
	Err    error
}

// Error returns the cause.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// ErrSuperseded says that the secret of a finished run is not the key's any more.
var ErrSuperseded = errors.New("this run rotated the key before, and the key was rotated again since")

// Do takes the rotation as far as it goes: to promoted, without a grace to retired, or to where it waits for the secret's first use.
func (r *Run) Do(ctx context.Context) (Result, error) {
	for _, s := range r.programsAndSinks() {
		if err := s.Ready(ctx); err != nil {
			return Result{}, &StepError{Step: "check", Err: err}
		}
	}
	env, sec, err := r.Client.OpenRotation(ctx, r.Org, r.Key, r.Name, api.OpenRotationRequest{Sinks: r.sinkNames(), Emergency: r.Emergency})
	if err != nil {
		return Result{}, &StepError{Step: "open", Err: err}
	}
	out := Result{RotationEnvelope: env, Secret: sec}
	if env.Rotation.PromotedAt != nil {
		return r.finished(ctx, out)
	}
	r.Minted(sec)
	r.Key = env.Key.ID // by id from here on: the name may go to another key
	for _, step := range []struct {
		name string
		do   func(context.Context, *Result) error
	}{{"deliver", r.deliver}, {"prove", r.prove}, {"promote", r.promote}} {
		if err := step.do(ctx, &out); err != nil {
			return out, &StepError{Step: step.name, Opened: true, Cut: out.Rotation.Emergency, Err: err}
		}
	}
	return out, nil
}

// programsAndSinks are all that must be ready before a secret is minted.
func (r *Run) programsAndSinks() []sink.Sink {
	all := append([]sink.Sink(nil), r.Sinks...)
	if r.Check != nil {
		all = append(all, r.Check)
	}
	return all
}

func (r *Run) sinkNames() []string {
	names := []string{}
	for _, s := range r.Sinks {
		names = append(names, s.Name())
	}
	return names
}

// deliver writes the secret where it is not yet, and keeps a receipt on the service.
func (r *Run) deliver(ctx context.Context, out *Result) error {
	for _, s := range r.Sinks {
		checked, err := r.put(ctx, s, out.Secret, received(out.Rotation, s.Name()))
		if err != nil {
			return err
		}
		env, err := r.Client.DeliverRotation(ctx, r.Org, r.Key, out.Rotation.ID, s.Name(), checked)
		if err != nil {
			return err
		}
		out.RotationEnvelope = env
	}
	return nil
}

// put writes the secret to a sink, and says whether it was read back. A receipt is enough for a sink that can't be read; one that
// can is looked at all the same, since a run on another machine may have been given it.
func (r *Run) put(ctx context.Context, s sink.Sink, sec secret.Secret, received bool) (checked bool, err error) {
	reads := sink.ReadsBack(s)
	switch {
	case reads:
		if held, err := sink.Holds(ctx, s, sec); err == nil && held {
			return true, nil
		}
	case received && s.Name() != "stdout": // what was printed before went to a process that is gone
		r.Note("%s has the secret already.", s.Name())
		return false, nil
	}
	if err := s.Put(ctx, sec); err != nil {
		return false, err
	}
	if !reads {
		return false, nil
	}
	held, err := sink.Holds(ctx, s, sec)
	if err == nil && !held {
		err = changed(s)
	}
	return held, err
}

func changed(s sink.Sink) error {
	return &sink.Error{Sink: s.Name(), Reason: "it holds something else than what was just written", Hint: "see what else writes there"}
}

func received(rot api.Rotation, name string) bool {
	for _, s := range rot.Sinks {
		if s.Name == name {
			return s.DeliveredAt != nil
		}
	}
	return false
}

// prove uses the secret as its users will, and says so. While the rotation waits for the secret's first use, it was proven, and must
// not be used from here.
func (r *Run) prove(ctx context.Context, out *Result) error {
	if out.Rotation.ArmedAt != nil {
		return nil
	}
	self, err := r.Client.Self(ctx, out.Secret)
	if err != nil {
		return fmt.Errorf("the new secret is refused: %w", err)
	}
	if self.Key.ID != out.Key.ID {
		return fmt.Errorf("the new secret opens another key: %s", self.Key.ID)
	}
	if r.Check != nil {
		if err := r.Check.Put(ctx, out.Secret); err != nil {
			return err
		}
	}
	env, err := r.Client.ProveRotation(ctx, r.Org, r.Key, out.Rotation.ID)
	if err == nil {
		out.RotationEnvelope = env
	}
	return err
}

// promote looks once more at what can be read: another run may have written there since, and what it wrote may be what ends now.
func (r *Run) promote(ctx context.Context, out *Result) error {
	for _, s := range r.Sinks {
		if !sink.ReadsBack(s) {
			continue
		}
		if held, err := sink.Holds(ctx, s, out.Secret); err != nil || !held {
			return cmp.Or(err, changed(s))
		}
	}
	grace := int64(r.Grace / time.Second)
	env, err := r.Client.PromoteRotation(ctx, r.Org, r.Key, out.Rotation.ID, api.PromoteRequest{
		GraceSeconds: &grace, OnUse: r.OnUse, QuietSeconds: int64(r.Quiet / time.Second), Activate: r.Activate,
	})
	if err == nil {
		out.RotationEnvelope = env
	}
	return err
}

// finished is a run again that was done: what it delivered is looked at, and put right where it can be read. Who may not reveal the
// key's secret is told so; the receipts stand.
func (r *Run) finished(ctx context.Context, out Result) (Result, error) {
	r.Note("This run has rotated the key before; it is not rotated again.")
	out.Again = true
	reads, prints := false, false
	for _, s := range r.Sinks {
		reads, prints = reads || sink.ReadsBack(s), prints || s.Name() == "stdout"
	}
	if !reads && !prints {
		return out, nil
	}
	key, sec, err := r.Client.RevealKey(ctx, r.Org, r.Key)
	var refused *client.Error
	switch {
	case err == nil && version(key) != out.Rotation.NewVersion:
		err = ErrSuperseded
	case !prints && errors.As(err, &refused) && (refused.Code == api.CodeForbidden || refused.Code == api.CodeNotRecoverable):
		r.Note("Its sinks have receipts; whether they still hold the secret can't be looked at: %s.", refused.Message)
		return out, nil
	}
	if err != nil {
		return out, &StepError{Step: "deliver again", Err: err}
	}
	r.Minted(sec)
	out.Secret = sec
	return out, r.putRight(ctx, key, sec)
}

// putRight delivers the secret of a finished run again, where it is not. What another rotation that is open has delivered is left
// to that.
func (r *Run) putRight(ctx context.Context, key api.Key, sec secret.Secret) error {
	other := has(key, api.SecretNext)
	if other {
		r.Note("Another rotation of the key is open; what the sinks hold is left to it.")
	}
	for _, s := range r.Sinks {
		if other && s.Name() != "stdout" {
			continue
		}
		if _, err := r.put(ctx, s, sec, true); err != nil {
			return &StepError{Step: "deliver again", Err: err}
		}
	}
	return nil
}

// has says whether the key has a secret in the state.
func has(k api.Key, state api.SecretState) bool {
	return slices.ContainsFunc(k.Secrets, func(s api.SecretInfo) bool { return s.State == state })
}

// version is that of the current secret.
func version(k api.Key) int {
	for _, s := range k.Secrets {
		if s.State == api.SecretCurrent {
			return s.Version
		}
	}
	return 0
}
