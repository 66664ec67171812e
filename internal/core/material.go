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
	// OtherPeppers are the same of peppers.
	OtherPeppers [][32]byte
}

// ErrMaterial says that the store was made under another master key or pepper.
var ErrMaterial = errors.New("the store was made under other material")

// MissingMaterial is ErrMaterial that says what is missing.
type MissingMaterial struct {
	Kind, ID string
	Where    string // it was looked for; empty: it is not known
}

// Error says which it is.
func (e *MissingMaterial) Error() string {
	text := fmt.Sprintf("%v: it needs the %s %s, which is not there", ErrMaterial, e.Kind, e.ID)
	if e.Where != "" {
		text += ": " + e.Where
	}
	return text
}

// Unwrap returns ErrMaterial.
func (e *MissingMaterial) Unwrap() error { return ErrMaterial }

// material is Material with the ids by which a store names it.
type material struct {
	Material
	masterID string
	masters  *masters
	peppers  *peppers
}

// keySource is where material is read again, and how it is told where that is.
type keySource struct {
	reload func() (Material, error)     // nil: there is no other
	where  func(kind, id string) string // nil: it is not known
}

func (s keySource) missing(kind, id string) error {
	e := &MissingMaterial{Kind: kind, ID: id}
	if s.where != nil {
		e.Where = s.where(kind, id)
	}
	return e
}

func newMaterial(m Material, from keySource) (material, error) {
	if m.MasterKey == [32]byte{} || m.Pepper == [32]byte{} {
		return material{}, errors.New("core: the master key and the pepper must not be empty")
	}
	return material{m, materialID(store.MaterialMasterKey, m.MasterKey), newMasters(m, from), newPeppers(m, from)}, nil
}

// materialID names a key by a hash that gives nothing of it away: the key is the HMAC's key.
func materialID(kind string, key [32]byte) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("keyfob material id: " + kind))
	return hex.EncodeToString(mac.Sum(nil)[:8])
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
	return map[string]string{store.MaterialMasterKey: m.masterID, store.MaterialPepper: materialID(store.MaterialPepper, m.Pepper)}
}

// compare refuses a store that needs what is not at hand.
func (m material) compare(known []store.Material) (err error) {
	for _, k := range known {
		switch k.Kind {
		case store.MaterialMasterKey:
			_, err = m.masters.get(k.ID)
		case store.MaterialPepper:
			_, err = m.peppers.get(k.ID)
		default:
			err = &MissingMaterial{Kind: k.Kind, ID: k.ID}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
