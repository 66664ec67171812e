package keys

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

const (
	pollFirst = 250 * time.Millisecond
	pollMost  = 15 * time.Second
	waitSlack = 5 * time.Minute // for the service to take a step that is due, and to be away
)

// follower watches a rotation until it ends.
type follower struct {
	opts *RotateOptions
	at   cliutil.OrgClient
	line *cliutil.StatusLine
	told map[string]bool // users of the old secret

	env      api.RotationEnvelope
	deadline time.Time // when it must have gone on, by this machine's clock
	until    time.Time // what the deadline stands for, by the service's
}

// follow waits until the rotation has ended, needs a person, or should have ended long ago.
func follow(ctx context.Context, opts *RotateOptions, at cliutil.OrgClient, env api.RotationEnvelope) (api.RotationEnvelope, error) {
	f := &follower{opts: opts, at: at, line: opts.Out.StatusLine(opts.Env), told: map[string]bool{}, env: env}
	defer f.line.Clear()
	for pause := pollFirst; ; pause = min(pause*3/2, pollMost) {
		if done, err := f.ended(); done || err != nil {
			return f.env, err
		}
		f.tellUse(ctx)
		f.show()
		if err := f.moveDeadline(); err != nil {
			return f.env, err
		}
		if err := sleep(ctx, pause); err != nil {
			return f.env, err
		}
		if err := f.poll(ctx); err != nil {
			return f.env, err
		}
	}
}

// sleep waits for a while, or until it is given up.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// poll reads the rotation. That the service is away for a time ends no wait.
func (f *follower) poll(ctx context.Context) error {
	env, err := f.at.Rotation(ctx, f.at.Org, f.env.Key.ID, f.env.Rotation.ID)
	var away *client.UnreachableError
	var answered *client.Error
	switch {
	case err == nil:
		f.env = env
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &away), errors.As(err, &answered) && answered.Status >= http.StatusInternalServerError:
		return nil // until the deadline
	}
	return err
}

// ended says whether there is nothing to wait for.
func (f *follower) ended() (bool, error) {
	r := f.env.Rotation
	name := cliutil.Printable(f.env.Key.Name)
	switch r.State {
	case api.RotationRetired:
		return true, nil
	case api.RotationCancelled:
		return true, &cliutil.Error{
			Code: "rotation-cancelled", Exit: cliutil.ExitConflict, Message: "the new secret of " + name + " was taken back",
			Hint: "see by whom: keyfob events list --key " + f.env.Key.ID,
		}
	case api.RotationNeedsAttention:
		e := &cliutil.Error{Code: "rotation-needs-attention", Exit: cliutil.ExitManual}
		if r.PromotedAt != nil {
			e.Message = "the old secret of " + name + " is still in use" + f.lastUse()
			e.Hint = "give its user the new one, then end it: keyfob keys rotate " + f.env.Key.ID + " --retire now"
			return true, e
		}
		e.Message = "nobody used the new secret of " + name + " within a day"
		e.Hint = "run the command again without --activate to make it current, or take it back: keyfob keys rotate " + f.env.Key.ID + " --abort --force"
		return true, e
	default:
		return false, nil
	}
}

// moveDeadline gives a rotation that goes on by its own terms the time for that: lengths are the service's, the clock is ours.
func (f *follower) moveDeadline() error {
	r := f.env.Rotation
	until, from := r.ExpiresAt, r.ArmedAt
	if r.PromotedAt != nil {
		until, from = r.RetireAt, r.PromotedAt
	}
	if until == nil || from == nil {
		return &cliutil.Error{Code: "rotation-state", Exit: cliutil.ExitFailed, Message: "the rotation is " + string(r.State) + ", and there is nothing to wait for"}
	}
	if !until.Equal(f.until) {
		f.until, f.deadline = *until, f.opts.Now().Add(until.Sub(*from)+waitSlack)
	}
	if f.opts.Now().After(f.deadline) {
		return &cliutil.Error{
			Code: "wait-timeout", Exit: cliutil.ExitUnreachable, Message: "the rotation should have gone on at " + cliutil.Stamp(until) + ", and did not",
			Hint: "see how far it is: keyfob keys show " + f.env.Key.ID,
		}
	}
	return nil
}

// oldSecret is what the key's record says of it; nil: it opens nothing any more.
func (f *follower) oldSecret() *api.SecretInfo {
	for i, s := range f.env.Key.Secrets {
		if s.Version == f.env.Rotation.OldVersion {
			return &f.env.Key.Secrets[i]
		}
	}
	return nil
}

// quietSpan is as long as the old secret must not be used.
func quietSpan(r api.Rotation) string {
	p := cliutil.Period(time.Duration(r.QuietSeconds) * time.Second)
	return p.String()
}

func (f *follower) lastUse() string {
	old := f.oldSecret()
	if old == nil || old.LastUsedAt == nil {
		return ""
	}
	return ": last at " + cliutil.Stamp(old.LastUsedAt)
}

// tellUse notes who used the old secret last, each once: the caller of the key whose last call is that of the secret. It costs the
// wait nothing if that can't be had.
func (f *follower) tellUse(ctx context.Context) {
	old := f.oldSecret()
	if old == nil || old.LastUsedAt == nil || f.env.Rotation.PromotedAt == nil || !old.LastUsedAt.After(*f.env.Rotation.PromotedAt) {
		return
	}
	use, err := f.at.KeyUsage(ctx, f.at.Org, f.env.Key.ID)
	if err != nil {
		return
	}
	for _, c := range use.Callers {
		who := strings.TrimSpace(cliutil.Printable(c.Address) + " " + cliutil.Printable(c.Agent))
		if !c.LastUsedAt.Equal(*old.LastUsedAt) || f.told[who] {
			continue
		}
		f.told[who] = true
		f.line.Clear()
		f.opts.Out.Note("Still uses the old secret: %s, at %s.", who, cliutil.Stamp(old.LastUsedAt))
	}
}

// show says on a terminal what is waited for.
func (f *follower) show() {
	r := f.env.Rotation
	text := f.env.Key.Name + ": waits for the first use of the new secret"
	if r.PromotedAt != nil {
		text = f.env.Key.Name + ": the old secret ends at " + cliutil.Stamp(r.RetireAt)
		if r.QuietSeconds > 0 {
			text += ", or after " + quietSpan(r) + " without use"
		}
		text += f.lastUse()
	}
	f.line.Set(text)
}
