package core

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	journalKeys   = 8_000 // keys a row of the journal, 200 kB, so that a change need not wait long for its turn
	journalFormat = 1
	journalPage   = 16     // rows that are read at once
	pastAll       = "key~" // above the id of every key
)

// journal is what this process has in the store's journal of use. Whoever opens the store takes over what others left there; a
// process that was taken over finds its name gone with its next write, and begins anew with what it has not written.
type journal struct {
	owner string // empty: there is nothing
	seq   int64  // of the newest row
	round int64  // that when this round of folding began
	floor int64  // that when the one before did: of all keys, the rows up to it are folded and gone
	tried int64  // that when it was last to be shortened
}

// rows is how many there are at most.
func (j *journal) rows() int { return int(j.seq - j.floor) }

// write appends a row for what add packs, in a transaction.
func (j *journal) write(tx store.Tx, owner string, base int64, o *origins, callers map[uint16]bool, run []byte) (int64, error) {
	row := binary.AppendVarint([]byte{journalFormat}, base)
	row = binary.AppendUvarint(row, uint64(len(callers)))
	for n := range callers {
		from := o.of(n)
		row = binary.AppendUvarint(row, uint64(n))
		for _, text := range []string{from.AddressPrefix, from.Agent} {
			row = append(binary.AppendUvarint(row, uint64(len(text))), text...)
		}
	}
	if owner != j.owner {
		if err := tx.AddUseOwner(owner, pastAll); err != nil {
			return 0, err
		}
	}
	return tx.AppendUse(owner, append(row, run...))
}

// name is the owner to write as.
func (j *journal) name() string {
	if j.owner != "" {
		return j.owner
	}
	return uuid.NewString()
}

// packedSource is a row of the journal, without the keys that were folded.
type packedSource struct {
	base    int64
	callers map[uint16]uint16 // the numbers in it, and those of this process
	seq     int64
	folds   []store.UseFold // of its owner, by UpTo
	r       runReader
	found   bool
	p       packedUse
	err     error
}

// openRow reads the head of a row.
func openRow(row store.UseRow, folds []store.UseFold, o *origins) (*packedSource, error) {
	if len(row.Entries) == 0 || row.Entries[0] != journalFormat {
		return nil, fmt.Errorf("row %d of the journal of use: %w", row.Seq, errRun)
	}
	b := numbers{data: row.Entries[1:]}
	s := &packedSource{base: b.signed(), callers: map[uint16]uint16{}, seq: row.Seq, folds: folds}
	for n := b.unsigned(); n > 0 && !b.bad; n-- {
		number := uint16(b.unsigned()) //nolint:gosec // as packed
		from := Origin{AddressPrefix: b.text()}
		from.Agent = b.text()
		s.callers[number] = o.number(from)
	}
	if b.bad {
		return nil, fmt.Errorf("row %d of the journal of use: %w", row.Seq, errRun)
	}
	s.r = runReader{data: b.data}
	s.find()
	return s, nil
}

// find goes to the next key that is not folded.
func (s *packedSource) find() {
	for s.found = s.r.next(); s.found; s.found = s.r.next() {
		id := s.r.id.String()
		for len(s.folds) > 0 && s.folds[0].UpTo < id {
			s.folds = s.folds[1:]
		}
		if len(s.folds) == 0 || s.seq > s.folds[0].Seq {
			return
		}
	}
	s.err = errors.Join(s.err, s.r.err)
}

func (s *packedSource) peek() (useID, bool) { return s.r.id, s.found }

func (s *packedSource) pop(p *packedUse) {
	s.p.reset(s.r.id)
	s.r.into(s.base, &s.p)
	for _, u := range s.p.uses {
		u.caller = s.callers[u.caller]
		p.addUse(u)
	}
	for _, m := range s.p.minutes {
		p.addCalls(m)
	}
	s.find()
}

// append journals the use of a number of keys and keeps it.
func (u *usage) append(ctx context.Context, list []*useEntry) error {
	u.w.reset()
	callers := map[uint16]bool{}
	src := &entrySource{list: list}
	for id, ok := src.peek(); ok; id, ok = src.peek() {
		u.m.p.reset(id)
		src.pop(&u.m.p)
		u.m.p.trim()
		for _, use := range u.m.p.uses {
			callers[use.caller] = true
		}
		u.w.add(u.kept.base, &u.m.p)
	}
	seq, owner := int64(0), u.journal.name()
	err := u.store.Update(ctx, func(tx store.Tx) (err error) {
		seq, err = u.journal.write(tx, owner, u.kept.base, u.origins, callers, u.w.data)
		return err
	})
	if err != nil {
		return u.takenOver(err)
	}
	u.journal.owner, u.journal.seq = owner, seq
	return u.kept.merge(&u.m, &entrySource{list: list})
}

// takenOver lets go of what another process has adopted. The error stays: what was to be written is written next time.
func (u *usage) takenOver(err error) error {
	if errors.Is(err, store.ErrNotFound) && u.journal.owner != "" {
		u.log.Info("another process has taken over the journal of use")
		u.journal = journal{}
		u.kept.clear()
		u.folded = useID{}
	}
	return err
}

// foldSome moves the use of the next keys from the journal to their rows, and says of how many.
func (u *usage) foldSome(ctx context.Context) (int, error) {
	var rows []store.KeyUse
	upto := useID{}
	err := u.kept.after(u.folded, flushBatch, func(p *packedUse) {
		rows = append(rows, p.row(u.origins))
		upto = p.id
	})
	if err != nil {
		return 0, err
	}
	after, last := "", pastAll
	if u.folded != (useID{}) && len(rows) < u.kept.keys {
		after = u.folded.String()
	}
	if len(rows) == flushBatch && len(rows) < u.kept.keys {
		last = upto.String()
	}
	err = u.store.Update(ctx, func(tx store.Tx) error {
		if err := tx.RecordUses(rows); err != nil {
			return err
		}
		return tx.FoldedUse(u.journal.owner, after, last, u.journal.seq)
	})
	u.moved.Add(1)
	if err != nil {
		return 0, u.takenOver(err)
	}
	if len(rows) > 0 {
		u.kept.remove(&u.m, u.folded, upto)
	}
	if u.folded = upto; last == pastAll {
		u.folded = useID{}
		u.journal.floor, u.journal.round = u.journal.round, u.journal.seq
	}
	return len(rows), nil
}
