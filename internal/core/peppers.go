package core

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/secret"
)

// peppers are the peppers that are at hand, by id, and those that the store names: the ones that its digests are made with. The newest
// makes what is new.
//
// One takes another's place while services run. Who finds nothing under those that it knows of asks the store which there are, in the
// transaction in which it looks: what a transaction sees is of one moment, so that a pepper is named where there is a digest under it.
type peppers struct {
	from  keySource
	named atomic.Pointer[pepperSet]

	mu   sync.Mutex
	byID map[string]*pepper
}

// pepper is one pepper.
type pepper struct {
	id      string
	key     [32]byte
	secrets *secret.Digester
}

// pepperSet is the peppers that the store named when it had counted so many changes, the newest first. There is one at least.
type pepperSet struct {
	at  int64
	all []*pepper
}

func newPepper(key [32]byte) *pepper {
	return &pepper{materialID(store.MaterialPepper, key), key, secret.NewDigester(key[:])}
}

// newPeppers goes by m.Pepper alone until it has heard what the store names.
func newPeppers(m Material, from keySource) *peppers {
	x := &peppers{from: from, byID: map[string]*pepper{}}
	x.add(m)
	x.named.Store(&pepperSet{at: -1, all: []*pepper{x.byID[materialID(store.MaterialPepper, m.Pepper)]}})
	return x
}

func (x *peppers) add(m Material) {
	for _, key := range append([][32]byte{m.Pepper}, m.OtherPeppers...) {
		if p := newPepper(key); x.byID[p.id] == nil {
			x.byID[p.id] = p
		}
	}
}

// get returns a pepper; ErrMaterial: it is not at hand.
func (x *peppers) get(id string) (*pepper, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.byID[id]; p != nil {
		return p, nil
	}
	if x.from.reload != nil {
		now, err := x.from.reload()
		if err != nil {
			return nil, fmt.Errorf("read the peppers again: %w", err)
		}
		x.add(now)
	}
	if p := x.byID[id]; p != nil {
		return p, nil
	}
	return nil, x.from.missing(store.MaterialPepper, id)
}

// newest is the newest that is known of.
func (x *peppers) newest() *pepper { return x.named.Load().all[0] }

// asOf returns the peppers that the store names in a transaction in which it has counted so many changes.
func (x *peppers) asOf(tx store.Tx, changed int64) (*pepperSet, error) {
	if set := x.named.Load(); set.at == changed {
		return set, nil
	}
	all, err := x.of(tx)
	if err != nil {
		return nil, err
	}
	set := &pepperSet{changed, all}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.named.Load().at < changed {
		x.named.Store(set)
	}
	return set, nil
}

// of returns the peppers that the store names, the newest first.
func (x *peppers) of(tx store.Tx) ([]*pepper, error) {
	rows, err := pepperRows(tx)
	if err != nil {
		return nil, err
	}
	all := make([]*pepper, len(rows))
	for i, row := range rows {
		if all[i], err = x.get(row.ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// toWrite returns the pepper that tx makes digests with. From now on secrets are looked for under it, too: what tx adds must be found
// as soon as it is committed, which may be before this process asks the store again what it names.
func (x *peppers) toWrite(tx store.Tx) (*pepper, error) {
	all, err := x.of(tx)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := x.named.Load(); !slices.Contains(now.all, all[0]) {
		x.named.Store(&pepperSet{now.at, append([]*pepper{all[0]}, now.all...)})
	}
	return all[0], nil
}

// find calls look with each pepper that the store names until it answers anything but ErrNotFound.
func (x *peppers) find(tx store.Tx, look func(*pepper) error) error {
	known := x.named.Load().all
	for _, p := range known {
		if err := look(p); !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	all, err := x.of(tx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if slices.Contains(known, p) {
			continue
		}
		if err := look(p); !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("under %d peppers: %w", len(all), store.ErrNotFound)
}

// pepperRows returns the peppers that the store names, the newest first.
func pepperRows(tx store.Tx) ([]store.Material, error) {
	all, err := tx.Materials()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m store.Material) bool { return m.Kind != store.MaterialPepper })
	slices.SortFunc(all, func(a, b store.Material) int { return cmp.Or(b.AddedAt.Compare(a.AddedAt), cmp.Compare(a.ID, b.ID)) })
	if len(all) == 0 {
		return nil, errors.New("the store names no pepper")
	}
	return all, nil
}

// digest names text, such as the token of a link, so that who reads the store learns nothing of it (RFC 2104). Purpose keeps what
// is the same text elsewhere from having the same digest.
func (p *pepper) digest(purpose, text string) [sha256.Size]byte { return p.sum(purpose + "|" + text) }

func (p *pepper) sum(text string) [sha256.Size]byte { return sumUnder(p.key, text) }

func sumUnder(key [32]byte, text string) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(text))
	mac.Sum(d[:0])
	return d
}
