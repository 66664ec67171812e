package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Lookup says which key of the org a secret is of, and which version of it; the key may be disabled or expired, the secret
// retired. It is no use of the key. CodeKeyNotFound: it is none of the org's, or the key was deleted.
func (s *Service) Lookup(ctx context.Context, p Principal, org, presented string) (Key, SecretVersion, error) {
	var (
		h store.Holder
		k Key
	)
	err := s.viewUse(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, api.KeysRead)
		if err != nil {
			return err
		}
		parsed, err := secret.Parse(secret.Key, presented)
		if err != nil {
			return malformed(err)
		}
		err = s.keys.peppers.find(tx, func(p *pepper) (err error) {
			h, err = holder(tx, p.secrets.Digest(parsed))
			return err
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if _, ok := presentedSecret(h); !ok || h.Key.OrgID != o.ID || !p.reaches(h.Key.FoldedName) || !h.Key.DeletedAt.IsZero() {
			return refusef(api.CodeKeyNotFound, "", "the secret is of no key of the organisation %s", shown(o.Slug))
		}
		k = s.key(h.Key, s.now())
		return nil
	})
	if err != nil {
		return Key{}, SecretVersion{}, fmt.Errorf("look up a secret: %w", err)
	}
	for _, v := range k.Secrets {
		if v.Version == h.Version {
			k.Secrets = slices.DeleteFunc(k.Secrets, func(v SecretVersion) bool { return v.State == api.SecretRetired })
			return k, v, nil
		}
	}
	return Key{}, SecretVersion{}, errors.New("look up a secret: its version is gone")
}

func malformed(err error) error {
	if errors.Is(err, secret.ErrChecksum) {
		return refusef(api.CodeInvalidRequest, "copy it again, in full", "this is no secret of a key: its checksum is wrong: it was mistyped or cut short")
	}
	return refusef(api.CodeInvalidRequest, "", "this is no secret of a key: it does not have the form %s and 38 letters and digits", secret.Key)
}
