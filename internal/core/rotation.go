package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Rotation is how one secret of a key takes the place of another.
//
// The key keeps all but its secrets. The new secret is minted as the rotation is opened, and is valid from then on; who opened it
// can have it again until it is promoted. The old one is valid until it is retired. What is never promoted is given up after a
// day, but never when somebody may have the new secret: then it needs attention.
type Rotation struct {
	ID         string
	KeyID      string
	State      api.RotationState
	Emergency  bool // every other secret was retired first
	OldVersion int
	NewVersion int
	Sinks      []Sink
	OpenedAt   time.Time
	OpenedBy   Actor
	UpdatedAt  time.Time
	ExpiresAt  time.Time // when it is given up, if it is not promoted until then; zero: never
	PromotedAt time.Time
	RetireAt   time.Time // when the old secret ends; zero: not known yet
	OnUse      api.OnUse // empty: not known yet
	EndedAt    time.Time
	Quiet      time.Duration // without use after which the old secret ends early; 0: none
	ArmedAt    time.Time     // since when it waits to be promoted by the new secret's first use; zero: it does not
}

// Sink is a place that a rotation delivers to, and its receipt.
type Sink struct {
	Name        string
	DeliveredAt time.Time // zero: not yet
	Checked     bool      // what lies there was read back and compared
}

// NewRotation asks for a rotation.
type NewRotation struct {
	// Sinks are where the secret is to be delivered: 1 to 256 visible characters each, no secret among them.
	Sinks []string
	// Emergency retires every other secret of the key first.
	Emergency bool
	// Run makes the request one that can be made again, at any time: 1 to 255 printable ASCII characters of the caller's
	// choice, or empty. A rotation that was cancelled is not found by it.
	Run string
}

// Opened is a rotation that was opened or joined.
type Opened struct {
	Rotation Rotation
	Key      Key
	Secret   secret.Secret // zero: it is promoted, and revealed as any other
	Joined   bool          // it was open, or finished, before
}

const (
	rotationKept = 24 * time.Hour // before one that is not promoted is given up
	useWindow    = time.Hour      // an old secret that was used within it is in use
	retiringMax  = 8              // secrets of a key that are retiring at once
	rotationsMax = 100            // of a key that are listed
	sinkMax      = 256
)

// rotating is a step of a rotation, in its transaction.
type rotating struct {
	s    *Service
	tx   store.Tx
	by   Actor
	from map[string]string // facts for events: where the step was asked for
	org  store.Org
	key  store.Key
	row  store.Rotation
	now  time.Time
	why  string // it is retired by itself
}

// rotate begins a step: it finds the key.
func (s *Service) rotate(tx store.Tx, p Principal, org, ref string, from Origin, needs ...api.Permission) (*rotating, error) {
	o, err := access(tx, p, org, needs...)
	if err != nil {
		return nil, err
	}
	r := &rotating{s: s, tx: tx, by: p.Actor(), org: o, now: s.now()}
	r.from = facts("address", brief(from.AddressPrefix), "agent", cleaned(from.Agent))
	if p.isToken() {
		r.from["token"] = p.Session.Name // of a job: its run
	}
	r.key, err = findKey(tx, p, o.ID, ref)
	return r, err
}

// take makes a step on one rotation of a key. No use is written meanwhile, so that none is missed. What is due is not settled
// before: a receipt that comes late keeps the secret that it is for from being taken back.
func (s *Service) take(ctx context.Context, p Principal, org, ref, id string, from Origin, step func(*rotating) error) (Rotation, Key, error) {
	release, err := s.usage.hold(ctx)
	if err != nil {
		return Rotation{}, Key{}, fmt.Errorf("a step of a rotation: %w", err)
	}
	defer release()
	var r *rotating
	err = s.update(ctx, func(tx store.Tx) (err error) {
		if r, err = s.rotate(tx, p, org, ref, from, api.KeysRotate); err != nil {
			return err
		}
		if err := r.find(id); err != nil {
			return err
		}
		return step(r)
	})
	if err != nil {
		return Rotation{}, Key{}, fmt.Errorf("a step of a rotation: %w", err)
	}
	return rotationOf(r.row), s.key(r.key, r.now), nil
}

func (r *rotating) find(id string) error {
	row, err := store.Rotation{}, store.ErrNotFound
	if isID(rotationPrefix, id) {
		row, err = r.tx.Rotation(r.key.ID, id)
	}
	if errors.Is(err, store.ErrNotFound) {
		return refusef(api.CodeRotationNotFound, "", "the key %s has no rotation %s", shown(r.key.Name), shown(id))
	}
	r.row = row
	return err
}

// save writes the rotation in its new state, and what is told of it.
func (r *rotating) save(event string, more ...string) error {
	r.row.UpdatedAt = r.now
	if err := r.tx.UpdateRotation(r.row); err != nil {
		return conflict(err)
	}
	r.row.Revision++
	if err := r.tell(event, more...); err != nil {
		return err
	}
	key, err := r.tx.Key(r.org.ID, r.key.ID) // as its secrets are now
	r.key = key
	return err
}

func (r *rotating) tell(event string, more ...string) error {
	data := facts(append(more, "rotation", r.row.ID)...)
	maps.Copy(data, r.from)
	return r.s.addEvent(r.tx, Event{Type: "key.rotation." + event, OrgID: r.org.ID, KeyID: r.key.ID, Actor: r.by, Data: data})
}

// secret returns a version of the key's secret, if it opens anything.
func (r *rotating) secret(version int) (store.Secret, bool) {
	i := slices.IndexFunc(r.key.Secrets, func(v store.Secret) bool { return v.Version == version })
	if i < 0 {
		return store.Secret{}, false
	}
	return r.key.Secrets[i], true
}

// lastUse is when a version was last used, exact while the caller holds s.usage; zero: never.
func (r *rotating) lastUse(version int) time.Time {
	v, _ := r.secret(version)
	used, ofKey := v.LastUsedAt, time.Time{}
	r.s.usage.last(r.key.ID, version, &used, &ofKey)
	return used
}

// unpromoted says that the rotation is open.
func (r *rotating) unpromoted() bool { return r.row.PromotedAt.IsZero() && r.row.EndedAt.IsZero() }

func (r *rotating) delivered() bool {
	return slices.ContainsFunc(r.row.Sinks, func(s store.Sink) bool { return !s.DeliveredAt.IsZero() })
}

// pending returns the name of a sink without a receipt.
func (r *rotating) pending() (string, bool) {
	i := slices.IndexFunc(r.row.Sinks, func(s store.Sink) bool { return s.DeliveredAt.IsZero() })
	if i < 0 {
		return "", false
	}
	return r.row.Sinks[i].Name, true
}

// wrongState refuses a step.
func (r *rotating) wrongState(fix, format string, args ...any) error {
	e := refusef(api.CodeRotationState, fix, format, args...)
	e.Detail = fmt.Sprintf("the rotation is %s: %s", r.row.State, e.Detail)
	return e
}

func rotationOf(r store.Rotation) Rotation {
	out := Rotation{
		ID: r.ID, KeyID: r.KeyID, State: api.RotationState(r.State), Emergency: r.Emergency, OldVersion: r.OldVersion, NewVersion: r.NewVersion,
		OpenedAt: r.OpenedAt, OpenedBy: actorOf(r.OpenedBy), UpdatedAt: r.UpdatedAt, PromotedAt: r.PromotedAt, RetireAt: r.RetireAt,
		OnUse: api.OnUse(r.OnUse), EndedAt: r.EndedAt, Quiet: r.Quiet, ArmedAt: r.ArmedAt, Sinks: make([]Sink, len(r.Sinks)),
	}
	if r.PromotedAt.IsZero() {
		out.ExpiresAt = r.DueAt
	}
	for i, s := range r.Sinks {
		out.Sinks[i] = Sink(s)
	}
	return out
}

// Rotation returns one rotation of a key, and the key, after the step that it takes by itself if one is due. CodeRotationNotFound: it has none such.
func (s *Service) Rotation(ctx context.Context, p Principal, org, ref, id string) (Rotation, Key, error) {
	r := &rotating{s: s}
	read := func(tx store.Tx) error {
		r.tx, r.now = tx, s.now()
		o, err := access(tx, p, org, api.KeysRead)
		if err != nil {
			return err
		}
		if r.key, err = findKey(tx, p, o.ID, ref); err != nil {
			return err
		}
		return r.find(id)
	}
	err := s.view(ctx, read)
	if err == nil && r.isDue() { // who asks need not wait for the sweeper
		err = errors.Join(s.settleOne(ctx, r.row), s.view(ctx, read))
	}
	if err != nil {
		return Rotation{}, Key{}, fmt.Errorf("read a rotation: %w", err)
	}
	return rotationOf(r.row), s.key(r.key, r.now), nil
}

// Rotations returns the newest rotations of a key, newest first, at most 100.
func (s *Service) Rotations(ctx context.Context, p Principal, org, ref string) ([]Rotation, error) {
	var rows []store.Rotation
	err := s.view(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysRead)
		if err != nil {
			return err
		}
		key, err := findKey(tx, p, o.ID, ref)
		if err != nil {
			return err
		}
		rows, err = tx.Rotations(key.ID, rotationsMax)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list rotations: %w", err)
	}
	out := make([]Rotation, len(rows))
	for i, r := range rows {
		out[i] = rotationOf(r)
	}
	return out, nil
}
