// Package daemon runs the service as a process: it opens the data directory and the secret material in it, puts store,
// core and server together, and takes them down in order.
//
// It must not know what a request means, nor the client's side of the command line.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
)

const closeTimeout = 10 * time.Second

// domain is core on its open store.
type domain struct {
	core  *core.Service
	store store.Store
}

// openDomain opens the database, that of the data directory or of the URL, and the material that goes with it, and makes both on the
// first run: the database with its schema, the key files, and, in core, what the database knows the material by. A first run that
// ended between any two goes on with the next. It fills cfg's store and material in.
func openDomain(ctx context.Context, dir dataDir, database string, cfg core.Config) (*domain, error) {
	if err := checkClock(cfg.Now()); err != nil {
		return nil, err
	}
	db, material, err := openStore(ctx, dir, database, cfg)
	if err != nil {
		return nil, err
	}
	cfg.Store, cfg.Material = db, material
	cfg.Reload, cfg.Where = func() (core.Material, error) { return dir.material(false) }, dir.where
	service, err := core.New(cfg) //nolint:contextcheck // it outlives ctx
	if missing, ok := errors.AsType[*core.MissingMaterial](err); ok {
		err = &cliutil.Error{
			Code: "material-wrong", Exit: cliutil.ExitFailed, Err: err,
			Message: fmt.Sprintf("the key files in %s are not those that the database was made with: it needs the %s %s, but %s",
				dir, missing.Kind, missing.ID, missing.Where),
			Hint: "put the file back from a backup, or from another replica",
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), db.Close())
	}
	return &domain{core: service, store: cfg.Store}, nil
}

// materialOf reads the material that the database was made under, and makes it for one that was made under none.
func (d dataDir) materialOf(ctx context.Context, db store.Store) (core.Material, error) {
	var known []store.Material
	err := db.View(ctx, func(tx store.Tx) (err error) {
		known, err = tx.Materials()
		return err
	})
	if err != nil {
		return core.Material{}, unusableStore(err)
	}
	return d.material(len(known) == 0)
}

// close writes what core still holds and closes the store.
func (d *domain) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return errors.Join(d.core.Close(ctx), d.store.Close())
}

// notStopped is an error at the end of a service that was told to stop: it is no cancellation, as which it would be reported else.
func notStopped(err error) error {
	if err == nil {
		return nil
	}
	return &cliutil.Error{
		Code: "stop-failed", Exit: cliutil.ExitFailed, Err: err,
		Message: "the service did not stop in order: " + cliutil.Printable(err.Error()),
		Hint:    "look at disk and data directory: what keys were used for in the last seconds may be lost, nothing else is",
	}
}

// checkClock refuses a clock that was never set: keys and sessions would be born expired, or live for decades.
func checkClock(now time.Time) error {
	if now.Year() >= 2020 {
		return nil
	}
	return &cliutil.Error{
		Code: "clock-wrong", Exit: cliutil.ExitFailed,
		Message: "the system clock says " + now.UTC().Format(time.RFC3339),
		Hint:    "set the clock: sessions and keys expire by it",
	}
}
