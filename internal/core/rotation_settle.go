package core

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	sweepEvery   = 30 * time.Second
	sweepTimeout = 20 * time.Second
	sweepMax     = 200 // rotations a run
	usedMax      = 64  // keys that wait for it
)

// sweeper takes the steps that rotations take by themselves, so that records, events and unused secrets do not wait until somebody
// asks. No promise hangs on when it runs: an old secret that is to be cut ends by its own expiry.
type sweeper struct {
	stop, done chan struct{}
	used       chan string // keys whose next secret is in use
	once       sync.Once
}

func newSweeper(s *Service) *sweeper {
	w := &sweeper{stop: make(chan struct{}), done: make(chan struct{}), used: make(chan string, usedMax)}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			step := s.settleDue
			select {
			case <-w.stop:
				return
			case <-tick.C:
			case keyID := <-w.used:
				step = func(ctx context.Context) error { return s.settleArmed(ctx, keyID) }
			}
			ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
			if err := step(ctx); err != nil {
				s.log.Warn("rotations that are due could not be brought forward", "error", err)
			}
			cancel()
		}
	}()
	return w
}

// nextUsed is told of each use of a next secret. It waits for nothing: what finds no room is found by the next use, or by who looks.
func (w *sweeper) nextUsed(keyID string) {
	select {
	case w.used <- keyID:
	default:
	}
}

// settleArmed promotes the key's open rotation if it waits for the use that there has been.
func (s *Service) settleArmed(ctx context.Context, keyID string) error {
	var row store.Rotation
	err := s.view(ctx, func(tx store.Tx) (err error) {
		row, err = tx.OpenRotation(keyID)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && row.ArmedAt.IsZero() {
		return nil
	}
	if err != nil {
		return err
	}
	return s.settleOne(ctx, row)
}

// close waits for a run to end, which has a deadline.
func (w *sweeper) close() {
	w.once.Do(func() { close(w.stop) })
	<-w.done
}

// settleDue brings forward what is due, each rotation in a transaction of its own.
func (s *Service) settleDue(ctx context.Context) error {
	var due []store.Rotation
	err := s.view(ctx, func(tx store.Tx) (err error) {
		due, err = tx.DueRotations(s.now(), sweepMax)
		return err
	})
	for _, row := range due {
		err = errors.Join(err, s.settleOne(ctx, row))
	}
	return err
}

func (s *Service) settleOne(ctx context.Context, row store.Rotation) error {
	release, err := s.usage.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.update(ctx, func(tx store.Tx) error {
		r := &rotating{s: s, tx: tx, now: s.now()}
		var err error
		if r.org, err = tx.Org(row.OrgID); err != nil {
			return err
		}
		r.key, err = tx.Key(row.OrgID, row.KeyID)
		if errors.Is(err, store.ErrNotFound) {
			return nil // the key was deleted since it was read, and its rotations with it
		}
		if err != nil {
			return err
		}
		return r.settleKey()
	})
}

// settleKey brings the key's rotations that are due forward. The caller holds s.usage.
func (r *rotating) settleKey() error {
	rows, err := r.unended()
	if err != nil {
		return err
	}
	for _, row := range rows {
		at := &rotating{s: r.s, key: r.key, row: row, now: r.now}
		if !at.isDue() {
			continue
		}
		if err := r.asSystem(row, (*rotating).settle); err != nil {
			return err
		}
	}
	return nil
}

// isDue says that the rotation is to take a step by itself: its time has come, or the use that it waits for.
func (r *rotating) isDue() bool {
	return !r.row.DueAt.IsZero() && !r.row.DueAt.After(r.now) || r.firstUsed()
}

// firstUsed says that the new secret of an armed rotation has been used since.
func (r *rotating) firstUsed() bool {
	return r.unpromoted() && !r.row.ArmedAt.IsZero() && r.lastUse(r.row.NewVersion).After(r.row.ArmedAt)
}

// unended returns the key's rotations that have not ended.
func (r *rotating) unended() ([]store.Rotation, error) {
	rows, err := r.tx.Rotations(r.key.ID, rotationsMax)
	if err != nil {
		return nil, err
	}
	var out []store.Rotation
	for _, row := range rows {
		if row.EndedAt.IsZero() {
			out = append(out, row)
		}
	}
	return out, nil
}

// asSystem takes a step that nobody asked for.
func (r *rotating) asSystem(row store.Rotation, step func(*rotating) error) error {
	sub := &rotating{s: r.s, tx: r.tx, org: r.org, key: r.key, row: row, now: r.now, by: Actor{Type: api.ActorSystem, Name: "rotation"}}
	if err := step(sub); err != nil {
		return err
	}
	r.key = sub.key
	return nil
}

// settle takes the step that a rotation takes by itself when it is due.
func (r *rotating) settle() error {
	switch {
	case r.firstUsed():
		return r.turn(Promotion{Grace: r.row.Grace, Quiet: r.row.Quiet, OnUse: api.OnUse(r.row.OnUse)})
	case r.row.PromotedAt.IsZero():
		if r.row.Emergency || r.delivered() || !r.lastUse(r.row.NewVersion).IsZero() {
			return r.needAttention("it was not promoted within a day, and its secret may be in use")
		}
		return r.cancel(false, "it was not promoted within a day")
	}
	if r.row.Quiet > 0 && r.now.Before(r.row.RetireAt) {
		return r.settleQuiet()
	}
	used := r.lastUse(r.row.OldVersion)
	since := r.row.RetireAt.Add(-useWindow)
	if since.Before(r.row.PromotedAt) {
		since = r.row.PromotedAt
	}
	inUse := used.After(since)
	last := r.row.PromotedAt.Add(api.RotationGraceMax)
	switch {
	case r.row.OnUse == string(api.OnUseCut), !inUse:
		return r.retire()
	case r.row.OnUse == string(api.OnUseExtend) && r.now.Before(last):
		return r.extend(used, last)
	}
	return r.needAttention("the old secret was last used at " + used.Format(time.RFC3339))
}

// settleQuiet ends the old secret if it has been quiet for long enough, or looks again when it may have been.
func (r *rotating) settleQuiet() error {
	due := r.nextDue()
	if !due.After(r.now) {
		r.why = "it was not used for " + r.row.Quiet.String()
		return r.retire()
	}
	r.row.DueAt, r.row.UpdatedAt = due, r.now
	return conflict(r.tx.UpdateRotation(r.row))
}

// nextDue is when a promoted rotation may take its next step.
func (r *rotating) nextDue() time.Time {
	if r.row.Quiet == 0 {
		return r.row.RetireAt
	}
	quiet := r.row.PromotedAt
	if used := r.lastUse(r.row.OldVersion); used.After(quiet) {
		quiet = used
	}
	if quiet = quiet.Add(r.row.Quiet); quiet.Before(r.row.RetireAt) {
		return quiet
	}
	return r.row.RetireAt
}

// extend lets the old secret go on as long again as it has, an hour at least and a day at most.
func (r *rotating) extend(used, last time.Time) error {
	end := r.now.Add(min(max(r.now.Sub(r.row.PromotedAt), useWindow), rotationKept))
	if end.After(last) {
		end = last
	}
	r.row.RetireAt = end
	r.row.DueAt = r.nextDue()
	return r.save("extended", "last_used_at", used.Format(time.RFC3339), "retire_at", end.Format(time.RFC3339))
}

func (r *rotating) needAttention(why string) error {
	r.row.State, r.row.DueAt = string(api.RotationNeedsAttention), time.Time{}
	return r.save("needs_attention", "reason", why)
}

// endPromoted ends the other rotations of the key whose old secrets are gone.
func (r *rotating) endPromoted() error {
	rows, err := r.unended()
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.ID == r.row.ID {
			continue
		}
		if err := r.asSystem(row, (*rotating).retire); err != nil {
			return err
		}
	}
	return nil
}

// endRotations ends the rotations of a key that is deleted.
func (s *Service) endRotations(tx store.Tx, p Principal, key store.Key) error {
	r := &rotating{s: s, tx: tx, org: store.Org{ID: key.OrgID}, key: key, by: p.Actor(), now: s.now()}
	rows, err := r.unended()
	if err != nil {
		return err
	}
	for _, r.row = range rows {
		event, state := "cancelled", api.RotationCancelled
		if !r.row.PromotedAt.IsZero() {
			event, state = "retired", api.RotationRetired
		}
		r.row.State, r.row.Sealed, r.row.DueAt, r.row.EndedAt = string(state), nil, time.Time{}, r.now
		if err := r.save(event, "reason", "the key was deleted", "versions", strconv.Itoa(r.row.OldVersion)); err != nil {
			return err
		}
	}
	return nil
}
