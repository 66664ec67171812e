package core

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Each step may be asked for again: where it, or a later one, is done, it changes nothing. What the rotation is not ready for, or
// past, is CodeRotationState.

// Promotion says what becomes of the old secret.
type Promotion struct {
	Grace time.Duration // how long it goes on, whole seconds; 0: not at all; at most api.RotationGraceMax
	OnUse api.OnUse     // empty: api.OnUseCut
	Quiet time.Duration // without use after which it ends early, whole seconds, at most Grace; 0: none
	// OnFirstUse waits until somebody uses the new secret, and promotes it then.
	OnFirstUse bool
}

// DeliverRotation keeps the receipt of a sink, which may be one that was not named before.
func (s *Service) DeliverRotation(ctx context.Context, p Principal, org, ref, id, sink string, checked bool, from Origin) (Rotation, Key, error) {
	sink, err := normalSink(sink)
	if err != nil {
		return Rotation{}, Key{}, err
	}
	return s.take(ctx, p, org, ref, id, from, func(r *rotating) error { return r.deliver(sink, checked) })
}

func (r *rotating) deliver(name string, checked bool) error {
	i := slices.IndexFunc(r.row.Sinks, func(s store.Sink) bool { return s.Name == name })
	switch {
	case i >= 0 && !r.row.Sinks[i].DeliveredAt.IsZero() && (r.row.Sinks[i].Checked || !checked):
		return nil
	case !r.unpromoted():
		return r.wrongState("", "it takes no more receipts")
	case i < 0 && len(r.row.Sinks) >= api.RotationSinksMax:
		return invalidf("the rotation has %d sinks: at most %d", len(r.row.Sinks), api.RotationSinksMax)
	case i < 0:
		r.row.Sinks = append(r.row.Sinks, store.Sink{Name: name})
		i = len(r.row.Sinks) - 1
	}
	r.row.Sinks[i].DeliveredAt, r.row.Sinks[i].Checked = r.now, checked
	r.goOn()
	return r.save("delivered", "sink", name, "checked", strconv.FormatBool(checked))
}

// ProveRotation records that the new secret works: it must have been used, and every sink that was named must have it.
func (s *Service) ProveRotation(ctx context.Context, p Principal, org, ref, id string, from Origin) (Rotation, Key, error) {
	return s.take(ctx, p, org, ref, id, from, (*rotating).prove)
}

func (r *rotating) prove() error {
	sink, pending := r.pending()
	used := r.lastUse(r.row.NewVersion)
	switch {
	case r.row.State == string(api.RotationProven), !r.row.PromotedAt.IsZero():
		return nil
	case !r.unpromoted():
		return r.wrongState("open another", "its secret was taken back")
	case pending:
		return r.wrongState("deliver it, and say so with a receipt", "the sink %s has no receipt", shown(sink))
	case used.IsZero():
		return r.wrongState("make a call with it: GET /v1/self", "the new secret was never used")
	}
	r.row.State, r.row.DueAt = string(api.RotationProven), r.now.Add(rotationKept)
	return r.save("proven", "used_at", used.Format(time.RFC3339))
}

// PromoteRotation makes the new secret the current one and the old one retiring.
func (s *Service) PromoteRotation(ctx context.Context, p Principal, org, ref, id string, in Promotion, from Origin) (Rotation, Key, error) {
	if in.OnUse == "" {
		in.OnUse = api.OnUseCut
	}
	if !slices.Contains(api.OnUses(), in.OnUse) {
		return Rotation{}, Key{}, invalidf("%s says not what becomes of a secret that is used: cut, extend or fail", shown(string(in.OnUse)))
	}
	if in.Grace < 0 || in.Grace > api.RotationGraceMax {
		return Rotation{}, Key{}, invalidf("the grace is not from 0 to %d seconds", int(api.RotationGraceMax/time.Second))
	}
	if in.Quiet < 0 || in.Quiet > in.Grace {
		return Rotation{}, Key{}, invalidf("the silence is not from 0 seconds to the grace")
	}
	return s.take(ctx, p, org, ref, id, from, func(r *rotating) error { return r.promote(in) })
}

func (r *rotating) promote(in Promotion) error {
	switch {
	case !r.row.PromotedAt.IsZero():
		return nil
	case !r.unpromoted():
		return r.wrongState("open another", "its secret was taken back")
	case r.row.State != string(api.RotationProven):
		return r.wrongState("prove it first", "nobody has proven that the new secret works")
	}
	if in.OnFirstUse {
		return r.arm(in)
	}
	return r.turn(in)
}

// arm has the rotation wait for the new secret's first use. One that waits already goes on with what is asked for now.
func (r *rotating) arm(in Promotion) error {
	switch {
	case r.row.Emergency:
		return r.wrongState("promote it now", "the old secret was cut; there is nothing to wait for")
	case r.firstUsed():
		return r.turn(in)
	case !r.row.ArmedAt.IsZero() && r.row.Grace == in.Grace && r.row.Quiet == in.Quiet && r.row.OnUse == string(in.OnUse):
		return nil
	case r.row.ArmedAt.IsZero():
		r.row.ArmedAt = r.now
	}
	r.row.Grace, r.row.Quiet, r.row.OnUse, r.row.DueAt = in.Grace, in.Quiet, string(in.OnUse), r.now.Add(rotationKept)
	return r.save("armed")
}

// turn makes the new secret the current one.
func (r *rotating) turn(in Promotion) error {
	if !r.row.Emergency {
		if err := r.swap(r.now.Add(in.Grace), in.OnUse); err != nil {
			return err
		}
	}
	r.row.State, r.row.Sealed = string(api.RotationPromoted), nil
	r.row.PromotedAt, r.row.OnUse, r.row.Quiet, r.row.Grace = r.now, string(in.OnUse), in.Quiet, 0
	r.row.RetireAt = r.now.Add(in.Grace)
	if r.row.Emergency {
		r.row.RetireAt = r.row.OpenedAt
	}
	r.row.DueAt = r.nextDue()
	if err := r.save("promoted", "retire_at", r.row.RetireAt.Format(time.RFC3339), "on_use", r.row.OnUse); err != nil {
		return err
	}
	if r.row.Emergency || in.Grace == 0 {
		return r.retire()
	}
	return nil
}

// swap makes the next secret current. Where the old one is to be cut, its expiry is its own: the check itself refuses it from that
// moment on, whether or not anything of the service runs then. Where its use counts, the sweeper decides.
func (r *rotating) swap(end time.Time, onUse api.OnUse) error {
	old, ok := r.secret(r.row.OldVersion)
	next, ok2 := r.secret(r.row.NewVersion)
	if !ok || !ok2 {
		return errors.New("a rotation whose secrets are gone")
	}
	old.State, next.State = store.StateRetiring, store.StateCurrent
	if onUse == api.OnUseCut {
		old.ExpiresAt = end
	}
	if err := r.tx.ChangeSecret(old, store.StateCurrent); err != nil { // first: one alone can be current
		return conflict(err)
	}
	return conflict(r.tx.ChangeSecret(next, store.StateNext))
}

// RetireRotation ends the old secret of a promoted rotation now.
func (s *Service) RetireRotation(ctx context.Context, p Principal, org, ref, id string, from Origin) (Rotation, Key, error) {
	return s.take(ctx, p, org, ref, id, from, (*rotating).retire)
}

func (r *rotating) retire() error {
	switch {
	case r.row.State == string(api.RotationRetired):
		return nil
	case r.row.PromotedAt.IsZero():
		return r.wrongState("promote it first", "the old secret is the one in use")
	}
	old := r.lastUse(r.row.OldVersion)
	if err := r.drop(r.row.OldVersion); err != nil {
		return err
	}
	if r.row.RetireAt.After(r.now) {
		r.row.RetireAt = r.now
	}
	r.row.State, r.row.DueAt, r.row.EndedAt = string(api.RotationRetired), time.Time{}, r.now
	used := ""
	if !old.IsZero() {
		used = old.Format(time.RFC3339)
	}
	return r.save("retired", "versions", strconv.Itoa(r.row.OldVersion), "last_used_at", used, "reason", r.why)
}

// CancelRotation takes the new secret back; the old one goes on. One that was delivered or used is CodeRotationUsed unless that is
// acknowledged: who has it is cut off.
func (s *Service) CancelRotation(ctx context.Context, p Principal, org, ref, id string, acknowledged bool, from Origin) (Rotation, Key, error) {
	return s.take(ctx, p, org, ref, id, from, func(r *rotating) error { return r.cancel(acknowledged, "") })
}

func (r *rotating) cancel(acknowledged bool, reason string) error {
	switch {
	case r.row.State == string(api.RotationCancelled):
		return nil
	case !r.unpromoted():
		return r.wrongState("rotate again", "its secret is the key's own now")
	case r.row.Emergency:
		return r.wrongState("finish it", "the old secret was cut; there is nothing to go back to")
	}
	used := r.lastUse(r.row.NewVersion)
	if !acknowledged && (!used.IsZero() || r.delivered()) {
		return refusef(api.CodeRotationUsed, "give its sinks the old secret back, then take it back all the same", "%s", r.whoHasIt(used))
	}
	if err := r.drop(r.row.NewVersion); err != nil {
		return err
	}
	r.row.State, r.row.Sealed, r.row.DueAt, r.row.EndedAt = string(api.RotationCancelled), nil, time.Time{}, r.now
	return r.save("cancelled", "reason", reason)
}

// whoHasIt says where the new secret is known.
func (r *rotating) whoHasIt(used time.Time) string {
	var sinks []string
	for _, s := range r.row.Sinks {
		if !s.DeliveredAt.IsZero() {
			sinks = append(sinks, shown(s.Name))
		}
	}
	say := "the new secret"
	if len(sinks) > 0 {
		say += " is in " + strings.Join(sinks, ", ") + " and"
	}
	if used.IsZero() {
		return say + " was not used yet"
	}
	return say + " was last used at " + used.Format(time.RFC3339)
}

// drop retires a secret, if it is not yet.
func (r *rotating) drop(version int) error {
	err := r.tx.RetireSecret(r.key.ID, version, r.now)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
