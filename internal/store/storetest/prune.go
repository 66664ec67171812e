package storetest

import (
	"errors"

	"github.com/keyfob/keyfob/internal/store"
)

type pruneStep struct {
	age         store.Age
	limit, most int
	left        []string // nil: no matter
}

// pruneSteps prunes step by step and looks which of the rows are left; read answers store.ErrNotFound for one that is gone.
func (f *fixture) pruneSteps(rows []string, read func(store.Tx, string) error, steps []pruneStep) {
	f.Helper()
	for _, step := range steps {
		f.update(func(tx store.Tx) error {
			most, err := tx.Prune(step.age, step.limit)
			f.equal("removed at most", most, step.most)
			return err
		})
		if step.left == nil {
			continue
		}
		var left []string
		f.view(func(tx store.Tx) error {
			for _, row := range rows {
				err := read(tx, row)
				if err == nil {
					left = append(left, row)
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			return nil
		})
		f.equal("left", left, step.left)
	}
}
