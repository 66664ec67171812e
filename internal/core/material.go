package core

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/keyfob/keyfob/internal/store"
)

// Material is what the service knows and the store must not: without the master key no sealed secret can be opened,
// without the pepper no secret can be recognised.
type Material struct {
	MasterKey [32]byte
	Pepper    [32]byte
	// Others are master keys that the store was made under before, or will be: while one takes another's place both are in use.
	Others [][32]byte
}

// ErrMaterial says that the store was made under another master key or pepper.
var ErrMaterial = errors.New("the store was made under other material")

// material is Material with the ids by which a store names it.
type material struct {
	Material
	masterID string
	pepperID string
	masters  *masters
}

func newMaterial(m Material, reload func() (Material, error)) (material, error) {
	if m.MasterKey == [32]byte{} || m.Pepper == [32]byte{} {
		return material{}, errors.New("core: the master key and the pepper must not be empty")
	}
	return material{
		m, materialID(store.MaterialMasterKey, m.MasterKey), materialID(store.MaterialPepper, m.Pepper), newMasters(m, reload),
	}, nil
}

// materialID names a key by a hash that gives nothing of it away: the key is the HMAC's key.
func materialID(kind string, key [32]byte) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("keyfob material id: " + kind))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// digest names text, such as the token of a link, so that who reads the store learns nothing of it (RFC 2104). Purpose keeps what
// is the same text elsewhere from having the same digest.
func (m material) digest(purpose, text string) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, m.Pepper[:])
	mac.Write([]byte(purpose + "|" + text))
	mac.Sum(d[:0])
	return d
}

// claim writes the ids of the material into a store that has none yet, and compares them with those of any other.
func (s *Service) claim(ctx context.Context) error {
	var known []store.Material
	read := func(tx store.Tx) (err error) {
		known, err = tx.Materials()
		return err
	}
	if err := s.view(ctx, read); err != nil {
		return fmt.Errorf("core: read the material: %w", err)
	}
	if len(known) > 0 {
		return s.keys.compare(known)
	}
	err := s.update(ctx, func(tx store.Tx) error {
		if err := read(tx); err != nil || len(known) > 0 {
			return err
		}
		for kind, id := range s.keys.ids() {
			if err := tx.AddMaterial(store.Material{Kind: kind, ID: id, AddedAt: s.now()}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("core: write the material: %w", err)
	}
	if len(known) > 0 { // another process was first
		return s.keys.compare(known)
	}
	return nil
}

func (m material) ids() map[string]string {
	return map[string]string{store.MaterialMasterKey: m.masterID, store.MaterialPepper: m.pepperID}
}

func (m material) compare(known []store.Material) error {
	ids := m.ids()
	for _, k := range known {
		if k.Kind == store.MaterialMasterKey {
			if _, err := m.masters.get(k.ID); err == nil {
				continue
			}
		}
		if have := ids[k.Kind]; have != k.ID {
			return fmt.Errorf("%w: it needs the %s %s, the one given is %s", ErrMaterial, k.Kind, k.ID, have)
		}
	}
	return nil
}
