package core_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/keyfob/keyfob/internal/store"
)

// over lays a fault over a database: fn is given each transaction.
type over struct {
	store.Store

	with func(store.Tx) store.Tx
}

func (o over) View(ctx context.Context, fn func(store.Tx) error) error {
	return o.Store.View(ctx, func(tx store.Tx) error { return fn(o.with(tx)) })
}

func (o over) Update(ctx context.Context, fn func(store.Tx) error) error {
	return o.Store.Update(ctx, func(tx store.Tx) error { return fn(o.with(tx)) })
}

// forgetful is a service that gives a rotation up without asking who has its secret.
type forgetful struct{ store.Tx }

func (f forgetful) Rotations(keyID string, limit int) ([]store.Rotation, error) {
	rows, err := f.Tx.Rotations(keyID, limit)
	for i := range rows {
		rows[i].Sinks = slices.Clone(rows[i].Sinks)
		for j := range rows[i].Sinks {
			rows[i].Sinks[j].DeliveredAt = time.Time{}
		}
	}
	return rows, err
}

// trusting is a service that takes every sink to have a receipt.
type trusting struct{ store.Tx }

func (f trusting) Rotation(keyID, id string) (store.Rotation, error) {
	row, err := f.Tx.Rotation(keyID, id)
	row.Sinks = nil
	return row, err
}

// minting is a service that opens a rotation although one is open.
type minting struct{ store.Tx }

func (minting) OpenRotation(string) (store.Rotation, error) {
	return store.Rotation{}, store.ErrNotFound
}

// TestRotationStormFinds breaks the service, or the runs, and wants the storm to see it; the last case is a run that is wrong and
// a service that lets it do no harm.
func TestRotationStormFinds(t *testing.T) {
	t.Parallel()
	const (
		atMost       = 1500 // schedules until a fault is found
		enough       = 50   // that show that there is none
		opensNothing = "which opens nothing"
	)
	right := []string{"deliver", "prove", "promote"}
	for name, tc := range map[string]struct {
		with     func(store.Tx) store.Tx
		order    []string
		want     string
		harmless bool // in every schedule it ends so, and the invariant holds
	}{
		"a used next secret is cut":           {func(tx store.Tx) store.Tx { return forgetful{tx} }, right, opensNothing, false},
		"promoted before there is a receipt":  {func(tx store.Tx) store.Tx { return trusting{tx} }, []string{"prove", "promote", "deliver"}, opensNothing, false},
		"two secrets minted":                  {func(tx store.Tx) store.Tx { return minting{tx} }, right, "the service fails", false},
		"a receipt before there is a secret":  {nil, []string{"receipts", "deliver", "prove", "promote"}, opensNothing, false},
		"promoted first, which is not let do": {nil, []string{"prove", "promote", "deliver"}, `the sink "a" has no receipt`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGround(t, func(st store.Store) store.Store {
					if tc.with == nil {
						return st
					}
					return over{st, tc.with}
				}, tc.order...)
				pass := rapid.Custom(func(t *rapid.T) error { return newStorm(g).pass(t) })
				for seed := range atMost {
					err := pass.Example(seed)
					if err != nil && !strings.Contains(err.Error(), tc.want) {
						t.Fatalf("found %v, want %q", err, tc.want)
					}
					if err != nil && !tc.harmless || tc.harmless && seed == enough {
						t.Logf("in schedule %d: %v", seed, err)
						return
					}
				}
				t.Errorf("not found in %d schedules", atMost)
			})
		})
	}
}
