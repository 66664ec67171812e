package core_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
)

func TestOtherMaterialIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	for what, spoil := range map[string]func(*core.Material){
		"it needs the master-key ": func(m *core.Material) { m.MasterKey[31] ^= 1 },
		"it needs the pepper ":     func(m *core.Material) { m.Pepper[0] ^= 1 },
		"must not be empty":        func(m *core.Material) { m.Pepper = [32]byte{} },
	} {
		m := testMaterial()
		spoil(&m)
		svc, err := core.New(core.Config{Store: f.store, Material: m})
		if svc != nil || err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want an error with %q", err, what)
		}
		if wrong := m.Pepper != [32]byte{}; wrong != errors.Is(err, core.ErrMaterial) {
			t.Errorf("%v: is it ErrMaterial? want %v", err, wrong)
		}
	}
	// The right material works beside the first service: another process.
	c, err := f.service().CheckKey(t.Context(), sec.Reveal(), core.Origin{})
	f.must(err)
	f.equal("key", c.KeyName, "ci")
	if _, err := core.New(core.Config{Material: testMaterial()}); err == nil {
		t.Error("a service without a store")
	}
}

// TestFirstMaterialWins: of services that start on an empty store under different material, only those of one go on.
func TestFirstMaterialWins(t *testing.T) {
	t.Parallel()
	st := dbtest.New(t).Open(t)
	const n = 8
	var group sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		group.Go(func() {
			m := testMaterial()
			m.Pepper[0] = byte(10 + i)
			svc, err := core.New(core.Config{Store: st, Material: m})
			if err == nil {
				err = errors.Join(svc.Close(t.Context()), errWon)
			}
			errs[i] = err
		})
	}
	group.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, errWon):
			won++
		case !errors.Is(err, core.ErrMaterial):
			t.Errorf("got %v, want %v", err, core.ErrMaterial)
		}
	}
	if won != 1 {
		t.Errorf("%d won, want 1", won)
	}
}

var errWon = errors.New("won")
