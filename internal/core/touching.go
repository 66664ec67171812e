package core

import (
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// touching is a transaction that notes which secrets it changes and adds, for the index.
type touching struct {
	store.Tx

	before, after store.KeyChanges // what the store had counted
	changed       [][32]byte       // the digests of secrets that open something else now
	added         [][32]byte
	seen          bool // the index has seen its count, and is told of its end only later
}

// run runs fn and notes what the store counts.
func (t *touching) run(fn func(store.Tx) error) (err error) {
	if t.before, err = t.KeyChanges(); err != nil {
		return err
	}
	t.after = t.before
	if err := fn(t); err != nil {
		return err
	}
	t.after, err = t.KeyChanges()
	return err
}

// of notes all secrets of a key.
func (t *touching) of(keyID string) error {
	digests, err := t.KeyDigests(keyID)
	t.changed = append(t.changed, digests...)
	return err
}

// AddKey implements store.Tx.
func (t *touching) AddKey(k store.Key, s store.NewSecret) error {
	t.added = append(t.added, s.Digest)
	return t.Tx.AddKey(k, s)
}

// AddSecret implements store.Tx.
func (t *touching) AddSecret(s store.NewSecret) error {
	t.added = append(t.added, s.Digest)
	return t.Tx.AddSecret(s)
}

// UpdateKey implements store.Tx.
func (t *touching) UpdateKey(k store.Key) error {
	if err := t.of(k.ID); err != nil {
		return err
	}
	return t.Tx.UpdateKey(k)
}

// DeleteKey implements store.Tx.
func (t *touching) DeleteKey(k store.Key, at time.Time) error {
	if err := t.of(k.ID); err != nil {
		return err
	}
	return t.Tx.DeleteKey(k, at)
}

// ChangeSecret implements store.Tx.
func (t *touching) ChangeSecret(s store.Secret, from string) error {
	if err := t.of(s.KeyID); err != nil {
		return err
	}
	return t.Tx.ChangeSecret(s, from)
}

// MoveSecrets implements store.Tx.
func (t *touching) MoveSecrets(pepperID string, moves []store.Move) (int, error) {
	for _, m := range moves {
		t.changed, t.added = append(t.changed, m.From), append(t.added, m.To)
	}
	return t.Tx.MoveSecrets(pepperID, moves)
}

// RetireSecret implements store.Tx.
func (t *touching) RetireSecret(keyID string, version int, at time.Time) error {
	if err := t.of(keyID); err != nil {
		return err
	}
	return t.Tx.RetireSecret(keyID, version, at)
}
