package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

// Inspection is what an inspection of a store found.
type Inspection struct {
	Orgs    int
	Opened  int       // sealed secrets that were opened
	Newest  time.Time // event
	Faults  []error   // data keys and sealed secrets that don't open
	Unknown bool      // the store was made under no material yet
}

const (
	inspectOrgs   = 100 // a page
	inspectKeys   = 20  // of each org whose sealed secrets are opened
	inspectFaults = 10  // that are told
)

// Inspect looks at a store and changes nothing: whether it was made under the material (ErrMaterial), and whether the data key and a
// sample of the sealed secrets of every org open.
func Inspect(ctx context.Context, st store.Store, m Material) (Inspection, error) {
	var in Inspection
	keys, err := newMaterial(m, keySource{})
	if err != nil {
		return in, err
	}
	err = st.View(ctx, func(tx store.Tx) error {
		known, err := tx.Materials()
		if err != nil {
			return err
		}
		in.Unknown = len(known) == 0
		if err := keys.compare(known); err != nil {
			return err
		}
		for after := ""; ; {
			orgs, err := tx.Orgs(after, inspectOrgs)
			if err != nil || len(orgs) == 0 {
				return err
			}
			for _, o := range orgs {
				if err := in.org(tx, keys, o); err != nil {
					return err
				}
				after = o.ID
			}
		}
	})
	return in, err
}

// InspectPeppers is Service.Peppers without a service.
func InspectPeppers(ctx context.Context, st store.Store, now time.Time) (out []Pepper, err error) {
	err = st.View(ctx, func(tx store.Tx) error {
		out, err = peppersOf(tx, now)
		return err
	})
	return out, err
}

func (in *Inspection) fault(err error) {
	if len(in.Faults) < inspectFaults {
		in.Faults = append(in.Faults, err)
	}
}

func (in *Inspection) org(tx store.Tx, keys material, o store.Org) error {
	in.Orgs++
	newest, err := tx.Events(o.ID, store.EventFilter{Limit: 1})
	if err != nil {
		return err
	}
	if len(newest) > 0 && newest[0].At.After(in.Newest) {
		in.Newest = newest[0].At
	}
	dataKey, err := keys.dataKey(o)
	if err != nil {
		in.fault(err)
		return nil
	}
	rows, err := tx.Keys(o.ID, store.KeyFilter{Limit: inspectKeys, Descending: true})
	if err != nil {
		return err
	}
	for _, k := range rows {
		for _, v := range k.Secrets {
			sealed, err := tx.SealedSecret(k.ID, v.Version)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("sealed secret of %s: %w", k.ID, err)
			}
			if _, err := openSecret(dataKey, o.ID, k.ID, v.Version, sealed); err != nil {
				in.fault(err)
				continue
			}
			in.Opened++
		}
	}
	return nil
}
