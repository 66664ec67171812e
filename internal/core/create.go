package core

import (
	"context"
	"fmt"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// CreateKey makes a key in the org and returns its secret. The same request with the same in.Idempotency returns, for 24
// hours, the key as it then is and the secret once more, and says that it did. Another request with it is CodeIdempotency; if
// the key was deleted in between, CodeKeyNotFound.
func (s *Service) CreateKey(ctx context.Context, p Principal, org string, in NewKey) (k Key, sec secret.Secret, replayed bool, err error) {
	now := s.now()
	if in, err = normalNewKey(in); err != nil {
		return Key{}, secret.Secret{}, false, err
	}
	expires, late := checkExpiry(in.ExpiresAt, now)
	id, err := newID(keyPrefix)
	if err != nil {
		return Key{}, secret.Secret{}, false, err
	}
	row := store.Key{
		ID: id, Name: in.Name, FoldedName: fold(in.Name), Tags: in.Tags, CreatedAt: now, CreatedBy: p.Actor().row(),
		UpdatedAt: now, ExpiresAt: expires, Revision: 1, Rate: storeRate(in.RateLimit),
	}
	sec = secret.New(secret.Key)
	err = s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysWrite)
		if err != nil {
			return err
		}
		if err := p.mayName(row.FoldedName); err != nil {
			return err
		}
		if in.Idempotency == "" {
			if late != nil {
				return late
			}
			return s.addKey(tx, p, o, &row, sec)
		}
		again, err := s.repeatsOf(tx, o, p, in)
		if err != nil {
			return err
		}
		known, its, found, err := s.answered(tx, o, again, now)
		if err != nil {
			return err
		}
		if found && !p.reaches(known.FoldedName) {
			return refusef(api.CodeKeyNotFound, "", "the key that was made by this request has another name now")
		}
		if found {
			row, sec, replayed = known, its, true
			return nil
		}
		if late != nil { // not sooner: the expiry of a key that was made may have come since
			return late
		}
		if err := s.addKey(tx, p, o, &row, sec); err != nil {
			return err
		}
		return s.keepAnswer(tx, o, again[0], row.ID, sec, now)
	})
	if err != nil {
		return Key{}, secret.Secret{}, false, fmt.Errorf("create a key: %w", err)
	}
	return s.key(row, now), sec, replayed, nil
}

// normalNewKey checks what a new key may be, but for its expiry, and brings it into normal form.
func normalNewKey(in NewKey) (NewKey, error) {
	var err error
	if in.Name, err = normalKeyName(in.Name); err != nil {
		return in, err
	}
	if in.Tags, err = normalTags(in.Tags); err != nil {
		return in, err
	}
	if err := checkRate(in.RateLimit); err != nil {
		return in, err
	}
	return in, checkIdempotency(in.Idempotency)
}

// addKey writes the key with sec as its first secret, and completes the row as a read of it would.
func (s *Service) addKey(tx store.Tx, p Principal, org store.Org, row *store.Key, sec secret.Secret) error {
	row.OrgID = org.ID
	pepper, err := s.keys.peppers.toWrite(tx)
	if err != nil {
		return err
	}
	add := store.NewSecret{
		KeyID: row.ID, Version: 1, State: store.StateCurrent, Hint: sec.Hint(), Digest: pepper.secrets.Digest(sec),
		PepperID: pepper.id, CreatedAt: row.CreatedAt,
	}
	if org.Recoverable {
		dataKey, err := s.keys.dataKey(org)
		if err != nil {
			return err
		}
		if add.Sealed, err = sealSecret(dataKey, org.ID, row.ID, add.Version, sec); err != nil {
			return err
		}
	}
	row.Secrets = []store.Secret{{
		KeyID: add.KeyID, Version: add.Version, State: add.State, Hint: add.Hint, Sealed: add.Sealed != nil, CreatedAt: add.CreatedAt,
	}}
	if err := tx.AddKey(*row, add); err != nil {
		return nameTaken(row.Name, err)
	}
	facts := map[string]string{"name": row.Name, "hint": add.Hint}
	if row.Rate != (store.RateLimit{}) {
		facts["rate_limit"] = wireRate(row.Rate).String()
	}
	return s.addEvent(tx, keyEvent("key.created", p, *row, facts))
}
