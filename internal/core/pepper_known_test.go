package core_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
)

// listedStore calls a function before digests are listed.
type listedStore struct {
	store.Store

	before atomic.Pointer[func()]
}

func (l *listedStore) View(ctx context.Context, fn func(store.Tx) error) error {
	return l.Store.View(ctx, func(tx store.Tx) error { return fn(&listedTx{tx, l}) })
}

type listedTx struct {
	store.Tx

	of *listedStore
}

func (t *listedTx) Digests(retired bool, after [32]byte, limit int) ([][32]byte, error) {
	if fn := t.of.before.Load(); fn != nil {
		(*fn)()
	}
	return t.Tx.Digests(retired, after, limit)
}

// TestMovedWhileDigestsAreRead: a service that has just read which digests there are, and not heard yet that they are under another
// pepper, takes no valid key for one that nobody has.
func TestMovedWhileDigestsAreRead(t *testing.T) {
	t.Parallel()
	f := newPeppered(t)
	newer := [32]byte{9}
	f.keys.put(newer)
	listed := &listedStore{Store: f.store}
	f.cfg.Store = listed
	svc := f.process(&keyring{m: testMaterial()})
	f.cfg.Store = f.store
	f.remembered(svc)
	_, err := f.admit(svc, f.secrets["sealed"])
	f.must(err)

	var once sync.Once
	moved := make(chan error, 1)
	db, err := sql.Open("sqlite", "file:"+f.db.File(t)+"?_pragma=synchronous(0)&_pragma=busy_timeout(5000)") // faster than a lease ends
	f.must(err)
	defer db.Close()
	sec, was := f.secrets["sealed"], testMaterial().Pepper
	from, to := sec.Digest(was[:]), sec.Digest(newer[:])
	f.must(db.PingContext(t.Context()))
	ctx := context.WithoutCancel(t.Context())
	move := func() {
		once.Do(func() {
			const named, digest = `INSERT INTO material (kind, id, added_at) VALUES ('pepper', $1, $2)`, `UPDATE secrets SET digest = $2, pepper_id = $3 WHERE digest = $1`
			_, err1 := db.ExecContext(ctx, named, core.PepperID(newer), f.clock.now().Add(time.Hour).UnixMicro())
			_, err2 := db.ExecContext(ctx, digest, from[:], to[:], core.PepperID(newer))
			moved <- errors.Join(err1, err2)
		})
	}
	listed.before.Store(&move)
	core.DistrustForTest(svc)
	for deadline := time.Now().Add(4 * core.IndexLeaseForTest); time.Now().Before(deadline); {
		core.ForgetForTest(svc)
		if _, err := f.admit(svc, f.secrets["sealed"]); err != nil && !isRefusal(err, "unavailable") { // it lacks the new pepper
			t.Fatal(err)
		}
	}
	select {
	case err := <-moved:
		f.must(err)
	case <-time.After(20 * time.Second):
		t.Fatal("the digests were not read")
	}
}
