package core

import (
	"context"

	"github.com/keyfob/keyfob/internal/store"
)

// UseWriter is a store that can write use beside whatever else is written, by other processes, too.
type UseWriter interface {
	// RecordUses is RecordUses of a transaction of its own.
	RecordUses(ctx context.Context, uses []store.KeyUse) error
}

// recordUses writes use to the rows of keys.
func (u *usage) recordUses(ctx context.Context, rows []store.KeyUse) error {
	if w, ok := u.store.(UseWriter); ok {
		return w.RecordUses(ctx, rows)
	}
	return u.store.Update(ctx, func(tx store.Tx) error { return tx.RecordUses(rows) })
}

// flush writes all that was recorded before it was called. What can't be written is kept.
func (u *usage) flush(ctx context.Context) error {
	return u.turns(ctx, func() error { return u.write(ctx) })
}

// settle is flush, and brings what is journalled into rows if it is little.
func (u *usage) settle(ctx context.Context) error {
	return u.turns(ctx, func() error {
		if err := u.write(ctx); err != nil {
			return err
		}
		return u.foldFew(ctx)
	})
}

// foldFew folds all that is kept, unless it is much.
func (u *usage) foldFew(ctx context.Context) error {
	for u.kept.keys > 0 && u.kept.keys < foldAtOnce {
		if _, err := u.foldSome(ctx); err != nil {
			return err
		}
	}
	return nil
}

// write is flush for who has the turn: first what could not be written before.
func (u *usage) write(ctx context.Context) error {
	if err := u.writeOut(ctx); err != nil {
		return err
	}
	if n := u.fresh.lost.Swap(0); n > 0 {
		u.log.Warn("more keys were used at once than use tracking holds", "calls_passed_over", n)
	}
	u.fresh.take(u.writing)
	if err := u.writeOut(ctx); err != nil {
		return err
	}
	u.written.Store(u.now().UnixMicro())
	return u.renumber()
}

// writeOut writes what is in writing.
func (u *usage) writeOut(ctx context.Context) error {
	list := u.writing.sorted()
	out, most := u.append, journalKeys
	if u.direct || len(list) < foldAtOnce {
		out, most = u.toRows, flushBatch
		if _, ok := u.store.(UseWriter); ok {
			most = recordBatch
		}
	}
	for len(list) > 0 {
		n := min(most, len(list))
		for n < len(list) && list[n].id == list[n-1].id {
			n++
		}
		if err := out(ctx, list[:n]); err != nil {
			return err
		}
		u.writing.forget(list[:n])
		list = list[n:]
	}
	u.writing.drop()
	return nil
}

// toRows writes the use of a few keys to their rows.
func (u *usage) toRows(ctx context.Context, list []*useEntry) error {
	var rows []store.KeyUse
	src := &entrySource{list: list}
	for id, ok := src.peek(); ok; id, ok = src.peek() {
		u.m.p.reset(id)
		src.pop(&u.m.p)
		rows = append(rows, u.m.p.row(u.origins))
	}
	err := u.recordUses(ctx, rows)
	u.moved.Add(1)
	return err
}
