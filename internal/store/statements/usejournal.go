package statements

import "github.com/keyfob/keyfob/internal/store"

// LastUses implements store.Tx.
func (t *Tx) LastUses(orgID, after string, limit int) ([]store.LastUse, error) {
	q := `SELECT id, nullif(used_at, 0) FROM keys` + t.engine.Dialect().index("keys_page") + `
		WHERE org_id = $1 AND id > $2 AND deleted_at IS NULL ORDER BY id LIMIT $3`
	var out []store.LastUse
	err := t.rows("last uses", q, []any{orgID, after, limit}, func(r Row) error {
		var l store.LastUse
		err := r.Scan(&l.KeyID, moment{&l.At})
		out = append(out, l)
		return err
	})
	return out, err
}

// AddUseOwner implements store.Tx.
func (t *Tx) AddUseOwner(owner, pastAll string) error {
	return t.add("owner of use", `INSERT INTO use_folds (owner, upto, seq) VALUES ($1, $2, 0)`, owner, pastAll)
}

// AppendUse implements store.Tx.
func (t *Tx) AppendUse(owner string, entries []byte) (int64, error) {
	const last = `SELECT f.seq, coalesce((SELECT max(seq) FROM use_journal WHERE owner = $1), 0)
		FROM use_folds f WHERE f.owner = $1 ORDER BY f.seq DESC LIMIT 1`
	var folded, seq int64
	if err := t.row("owner of use", last, []any{owner}, &folded, &seq); err != nil {
		return 0, err
	}
	seq = max(folded, seq) + 1
	return seq, t.add("use", `INSERT INTO use_journal (owner, seq, entries) VALUES ($1, $2, $3)`, owner, seq, entries)
}

// UseJournal implements store.Tx.
func (t *Tx) UseJournal(owner string, after int64, limit int) ([]store.UseRow, error) {
	const q = `SELECT seq, entries FROM use_journal WHERE owner = $1 AND seq > $2 ORDER BY seq LIMIT $3`
	var out []store.UseRow
	err := t.rows("use", q, []any{owner, after, limit}, func(r Row) error {
		var u store.UseRow
		err := r.Scan(&u.Seq, &u.Entries)
		out = append(out, u)
		return err
	})
	return out, err
}

// FoldedUse implements store.Tx.
func (t *Tx) FoldedUse(owner, after, upto string, seq int64) error {
	if err := t.row("owner of use", `SELECT 1 FROM use_folds WHERE owner = $1 LIMIT 1`, []any{owner}, new(int)); err != nil {
		return err
	}
	const (
		covered = `DELETE FROM use_folds WHERE owner = $1 AND (upto > $2 AND upto <= $3 OR upto = $2 AND seq = $4)`
		add     = `INSERT INTO use_folds (owner, upto, seq) VALUES ($1, $2, $3)`
		done    = `DELETE FROM use_journal WHERE owner = $1 AND seq <= (SELECT min(seq) FROM use_folds WHERE owner = $1)`
	)
	if err := t.exec("folded use", covered, owner, after, upto, seq); err != nil {
		return err
	}
	if err := t.add("folded use", add, owner, upto, seq); err != nil {
		return err
	}
	return t.exec("use that is folded", done, owner)
}

// UseFolds implements store.Tx.
func (t *Tx) UseFolds() ([]store.UseFold, error) {
	var out []store.UseFold
	err := t.rows("folded use", `SELECT owner, upto, seq FROM use_folds ORDER BY owner, upto`, nil, func(r Row) error {
		var f store.UseFold
		err := r.Scan(&f.Owner, &f.UpTo, &f.Seq)
		out = append(out, f)
		return err
	})
	return out, err
}

// DropUseOwner implements store.Tx.
func (t *Tx) DropUseOwner(owner string) error {
	if err := t.exec("use", `DELETE FROM use_journal WHERE owner = $1`, owner); err != nil {
		return err
	}
	return t.exec("owner of use", `DELETE FROM use_folds WHERE owner = $1`, owner)
}
