package core

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
)

// adopt takes over all that is in the journal, whoever left it there, as rows of its own.
func (u *usage) adopt(ctx context.Context) error {
	var folds []store.UseFold
	err := u.store.View(ctx, func(tx store.Tx) (err error) {
		folds, err = tx.UseFolds()
		return err
	})
	if err != nil || len(folds) == 0 {
		return err
	}
	var j journal
	err = u.store.Update(ctx, func(tx store.Tx) (err error) {
		u.kept.clear()
		u.folded, j = useID{}, journal{}
		if folds, err = tx.UseFolds(); err != nil {
			return err
		}
		for len(folds) > 0 {
			n := 1
			for n < len(folds) && folds[n].Owner == folds[0].Owner {
				n++
			}
			if err := u.adoptFrom(tx, folds[:n]); err != nil {
				return err
			}
			folds = folds[n:]
		}
		return u.journalKept(tx, &j)
	})
	if err != nil {
		u.kept.clear()
		return err
	}
	u.journal = j
	return nil
}

// adoptFrom reads the journal of one owner and removes it.
func (u *usage) adoptFrom(tx store.Tx, folds []store.UseFold) error {
	owner, after := folds[0].Owner, int64(0)
	var m merger
	for {
		rows, err := tx.UseJournal(owner, after, journalPage)
		if err != nil {
			return err
		}
		for _, row := range rows {
			src, err := openRow(row, folds, u.origins)
			if err != nil {
				return err
			}
			if err := errors.Join(u.kept.merge(&m, src), src.err); err != nil {
				return err
			}
			after = row.Seq
		}
		if len(rows) < journalPage {
			return tx.DropUseOwner(owner)
		}
	}
}

// journalKept writes all that is kept.
func (u *usage) journalKept(tx store.Tx, j *journal) error {
	var (
		w    runWriter
		from useID
		err  error
	)
	owner := j.name()
	for left := u.kept.keys; left > 0; left -= w.keys {
		w.reset()
		callers := map[uint16]bool{}
		err = u.kept.after(from, journalKeys, func(p *packedUse) {
			for _, use := range p.uses {
				callers[use.caller] = true
			}
			w.add(u.kept.base, p)
		})
		if err != nil {
			return err
		}
		if j.seq, err = j.write(tx, owner, u.kept.base, u.origins, callers, w.data); err != nil {
			return err
		}
		j.owner, from = owner, w.last
	}
	if j.owner == "" || u.folded == (useID{}) {
		return nil
	}
	return tx.FoldedUse(owner, "", u.folded.String(), 0) // nothing, up to where folding goes on
}

// journalSpare is how many rows the journal may have beside twice what is kept.
const journalSpare = 128

// shorten has the journal written anew if it is much longer than what is kept. A row is there until the last of its keys is folded, ten
// minutes at most, and each flush adds rows; who takes the journal over after a crash must read them all before it serves.
func (u *usage) shorten(ctx context.Context) error {
	return u.turns(ctx, func() error {
		if !u.tooLong() {
			return nil
		}
		u.journal.tried = u.journal.seq
		return u.rewrite(ctx)
	})
}

// tooLong says that the journal is to be shortened, and was not in vain just now.
func (u *usage) tooLong() bool {
	j := &u.journal
	return j.owner != "" && j.rows() > journalSpare+2*(u.kept.keys/journalKeys+1) && j.seq-j.tried > journalSpare
}

// rewrite puts what is kept in the place of the journal that there is.
func (u *usage) rewrite(ctx context.Context) error {
	var j journal
	err := u.store.Update(ctx, func(tx store.Tx) error {
		j = journal{}
		folds, err := tx.UseFolds()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(folds, func(f store.UseFold) bool { return f.Owner == u.journal.owner }) {
			return fmt.Errorf("journal of use: %w", store.ErrNotFound)
		}
		if err := u.journalKept(tx, &j); err != nil {
			return err
		}
		return tx.DropUseOwner(u.journal.owner)
	})
	if err != nil {
		return u.takenOver(err)
	}
	if u.journal = j; j.owner == "" {
		u.folded = useID{}
	}
	return nil
}
