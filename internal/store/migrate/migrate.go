// Package migrate copies a store from SQLite into an empty PostgreSQL database, and compares the two row by row.
//
// It knows no table by name but those in ownTables: the databases' catalogues say which there are. It must not know the rules of
// the domain.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

// ErrDiffer says that the two databases don't hold the same; nothing was kept.
var ErrDiffer = errors.New("the copy differs")

// ownTables are those that are not copied: each database keeps its own.
func ownTables() []string {
	return []string{
		"changes",           // the log that replicas follow: they begin anew; PostgreSQL's alone
		"key_changes",       // the counters of that log: Import.Count sets them
		"readiness",         // Ping's row
		"replicas",          // leases of services that run
		"schema_migrations", // a dialect's own
	}
}

// filledTables are those of ownTables that hold rows in an empty database.
func filledTables() []string { return []string{"key_changes", "readiness", "schema_migrations"} }

// Table is what was copied and compared of one table.
type Table struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`
	Columns int    `json:"columns"` // compared, generated ones among them
}

// Copy copies all rows into an empty database (else store.ErrNotEmpty) in one transaction, compares every column of every row, and
// only then keeps them. It calls done after each table. An error, store.ErrUnknown apart, means that the target is empty still.
func Copy(ctx context.Context, from *sqlite.Snapshot, to *postgres.Store, done func(Table)) ([]Table, error) {
	source, err := from.Tables(ctx)
	if err != nil {
		return nil, err
	}
	if source, err = ordered(source); err != nil {
		return nil, err
	}
	var out []Table
	err = to.Import(ctx, filledTables(), func(into *postgres.Import) error {
		target := into.Tables()
		if differences := compareSchemas(source, target); len(differences) > 0 {
			return fmt.Errorf("%w in schema: %s", ErrDiffer, differences[0])
		}
		for _, t := range source {
			if slices.Contains(ownTables(), t.Name) {
				continue
			}
			one, err := copyTable(ctx, from, into, t, kindsOf(target, t.Name))
			if err != nil {
				return err
			}
			out = append(out, one)
			done(one)
		}
		return count(ctx, from, into)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func copyTable(ctx context.Context, from *sqlite.Snapshot, into *postgres.Import, t store.Table, kinds map[string]store.Kind) (Table, error) {
	written := t.Written()
	copied, err := into.Copy(ctx, t, written, converted(t.Name, from.Rows(ctx, t, written), written, kinds))
	if err != nil {
		return Table{}, err
	}
	all := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		all[i] = c.Name
	}
	compared, err := compareRows(t, all, converted(t.Name, from.Rows(ctx, t, all), all, kinds), into.Rows(ctx, t, all))
	if err == nil && compared != copied {
		err = fmt.Errorf("%w: of table %s %d rows were copied and %d compared", ErrDiffer, t.Name, copied, compared)
	}
	return Table{t.Name, compared, len(all)}, err
}

// count has the target's counters go on from the source's.
func count(ctx context.Context, from *sqlite.Snapshot, into *postgres.Import) error {
	return from.View(ctx, func(tx store.Tx) error {
		n, err := tx.KeyChanges()
		if err != nil {
			return err
		}
		return into.Count(ctx, n)
	})
}
