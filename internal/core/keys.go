package core

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// UpdateKey changes name, tags, expiry and rate limit. Tags are replaced as a whole. With ifRevision the key must still have that
// revision, else CodePreconditionFailed. A patch that changes nothing leaves revision and events alone.
func (s *Service) UpdateKey(ctx context.Context, p Principal, org, ref string, patch KeyPatch, ifRevision int64) (Key, error) {
	patch, err := checkPatch(patch, s.now())
	if err != nil {
		return Key{}, err
	}
	return s.changeKey(ctx, p, org, ref, ifRevision, func(k *store.Key) []change { return applyPatch(k, patch) })
}

// SetKeyEnabled enables or disables a key; the reason, which may be empty, is kept in the event. Where it already is so,
// nothing changes.
func (s *Service) SetKeyEnabled(ctx context.Context, p Principal, org, ref string, enabled bool, reason string) (Key, error) {
	reason, err := normalText("the reason", reason, 0, reasonMax)
	if err != nil {
		return Key{}, err
	}
	facts := map[string]string{}
	if reason != "" {
		facts["reason"] = reason
	}
	return s.changeKey(ctx, p, org, ref, 0, func(k *store.Key) []change {
		if k.Disabled == !enabled {
			return nil
		}
		k.Disabled = !enabled
		if enabled {
			return []change{{"key.enabled", facts}}
		}
		return []change{{"key.disabled", facts}}
	})
}

// change is what an event tells of a key that was changed.
type change struct {
	event string
	data  map[string]string
}

// changeKey has edit change a key, and writes it and an event for each change, if there is any.
func (s *Service) changeKey(ctx context.Context, p Principal, org, ref string, ifRevision int64, edit func(*store.Key) []change) (Key, error) {
	var row store.Key
	err := s.update(ctx, func(tx store.Tx) (err error) {
		if row, err = keyToChange(tx, p, org, ref, ifRevision); err != nil {
			return err
		}
		changes := edit(&row)
		if len(changes) == 0 {
			return nil
		}
		if err := p.mayName(row.FoldedName); err != nil {
			return err
		}
		row.UpdatedAt = s.now()
		if err := tx.UpdateKey(row); err != nil {
			return nameTaken(row.Name, conflict(err))
		}
		row.Revision++
		for _, c := range changes {
			if err := s.addEvent(tx, keyEvent(c.event, p, row, c.data)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Key{}, fmt.Errorf("change a key: %w", err)
	}
	return s.key(row, s.now()), nil
}

// DeleteKey deletes a key: its name is free again, its secrets are refused and their sealed copies gone. A key that was used
// in the last 24 hours is CodeKeyRecentlyUsed unless the use is acknowledged. No flush runs meanwhile, so that of the use
// recorded before the call none is missed and none counted twice.
func (s *Service) DeleteKey(ctx context.Context, p Principal, org, ref string, in DeleteKey) error {
	release, err := s.usage.hold(ctx)
	if err != nil {
		return fmt.Errorf("delete a key: %w", err)
	}
	defer release()
	err = s.update(ctx, func(tx store.Tx) error {
		row, err := keyToChange(tx, p, org, ref, in.IfRevision)
		if err != nil {
			return err
		}
		if !in.AcknowledgeRecentUse {
			if err := s.checkUnused(tx, row, s.now()); err != nil {
				return err
			}
		}
		if err := s.endRotations(tx, p, row); err != nil {
			return err
		}
		if err := tx.DeleteKey(row, s.now()); err != nil {
			return conflict(err)
		}
		return s.addEvent(tx, keyEvent("key.deleted", p, row, map[string]string{"name": row.Name}))
	})
	if err != nil {
		return fmt.Errorf("delete a key: %w", err)
	}
	return nil
}

// RevealKey returns a key's current secret, and records that it did. CodeNotRecoverable: no sealed copy was kept.
func (s *Service) RevealKey(ctx context.Context, p Principal, org, ref string) (Key, secret.Secret, error) {
	var (
		row store.Key
		sec secret.Secret
	)
	err := s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysReveal)
		if err != nil {
			return err
		}
		if row, err = findKey(tx, p, o.ID, ref); err != nil {
			return err
		}
		if sec, err = s.unsealCurrent(tx, o, row); err != nil {
			return err
		}
		return s.addEvent(tx, keyEvent("key.revealed", p, row, map[string]string{"hint": sec.Hint()}))
	})
	if err != nil {
		return Key{}, secret.Secret{}, fmt.Errorf("reveal a key: %w", err)
	}
	return s.key(row, s.now()), sec, nil
}

func (s *Service) unsealCurrent(tx store.Tx, org store.Org, row store.Key) (secret.Secret, error) {
	for _, v := range row.Secrets {
		if v.State != store.StateCurrent || !v.Sealed {
			continue
		}
		sealed, err := tx.SealedSecret(row.ID, v.Version)
		if err != nil {
			return secret.Secret{}, err
		}
		dataKey, err := s.keys.dataKey(org)
		if err != nil {
			return secret.Secret{}, err
		}
		return openSecret(dataKey, org.ID, row.ID, v.Version, sealed)
	}
	return secret.Secret{}, refusef(api.CodeNotRecoverable, "make a new key", "the secret of the key %s was not kept", shown(row.Name))
}

// keyToChange finds a key that the principal may write and that has the revision; 0 is any.
func keyToChange(tx store.Tx, p Principal, org, ref string, ifRevision int64) (store.Key, error) {
	o, err := access(tx, p, org, api.KeysWrite)
	if err != nil {
		return store.Key{}, err
	}
	row, err := findKey(tx, p, o.ID, ref)
	if err != nil {
		return store.Key{}, err
	}
	if ifRevision != 0 && ifRevision != row.Revision {
		return store.Key{}, conflict(store.ErrConflict)
	}
	return row, nil
}

func conflict(err error) error {
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	return &Error{Code: api.CodePreconditionFailed, Detail: "the key was changed in between", Fix: "read the key and decide again", err: err}
}

func nameTaken(name string, err error) error {
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	return &Error{
		Code: api.CodeNameTaken, Detail: fmt.Sprintf("the name %s is taken: names are compared regardless of case", shown(name)),
		Fix: "choose another name", err: err,
	}
}

func keyEvent(kind string, p Principal, k store.Key, data map[string]string) Event {
	return Event{Type: kind, OrgID: k.OrgID, KeyID: k.ID, Actor: p.Actor(), Data: data}
}

// checkPatch checks what a patch sets and brings it into normal form.
func checkPatch(patch KeyPatch, now time.Time) (KeyPatch, error) {
	if patch.Name != nil {
		name, err := normalKeyName(*patch.Name)
		if err != nil {
			return patch, err
		}
		patch.Name = &name
	}
	if patch.Tags != nil {
		tags, err := normalTags(*patch.Tags)
		if err != nil {
			return patch, err
		}
		patch.Tags = &tags
	}
	if patch.ExpiresAt != nil {
		at, err := checkExpiry(*patch.ExpiresAt, now)
		if err != nil {
			return patch, err
		}
		patch.ExpiresAt = &at
	}
	if patch.RateLimit != nil {
		if err := checkRate(*patch.RateLimit); err != nil {
			return patch, err
		}
	}
	return patch, nil
}

func applyPatch(k *store.Key, patch KeyPatch) []change {
	var changes []change
	if patch.Name != nil && *patch.Name != k.Name {
		changes = append(changes, change{"key.renamed", map[string]string{"from": k.Name, "to": *patch.Name}})
		k.Name, k.FoldedName = *patch.Name, fold(*patch.Name)
	}
	updated := map[string]string{}
	if patch.Tags != nil && !maps.Equal(*patch.Tags, k.Tags) {
		k.Tags = *patch.Tags
		updated["tags"] = "changed"
	}
	if patch.ExpiresAt != nil && !patch.ExpiresAt.Equal(k.ExpiresAt) {
		k.ExpiresAt = *patch.ExpiresAt
		updated["expires_at"] = "never"
		if !k.ExpiresAt.IsZero() {
			updated["expires_at"] = k.ExpiresAt.Format(time.RFC3339)
		}
	}
	if patch.RateLimit != nil && *patch.RateLimit != wireRate(k.Rate) {
		k.Rate = storeRate(*patch.RateLimit)
		updated["rate_limit"] = "none"
		if k.Rate != (store.RateLimit{}) {
			updated["rate_limit"] = patch.RateLimit.String()
		}
	}
	if len(updated) > 0 {
		changes = append(changes, change{"key.updated", updated})
	}
	return changes
}

// checkExpiry returns the expiry as the store keeps it; the zero time is none.
func checkExpiry(at, now time.Time) (time.Time, error) {
	const lastYear = 2199
	if at.IsZero() {
		return time.Time{}, nil
	}
	if at.UTC().Year() > lastYear {
		return time.Time{}, invalidf("the expiry is in the year %d: it must be before the year %d", at.UTC().Year(), lastYear+1)
	}
	if !at.After(now) || !micro(at).After(now) { // the first, since microseconds of a time far in the past run over
		return time.Time{}, invalidf("the expiry %s is not in the future: it is %s now", at.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return micro(at), nil
}
