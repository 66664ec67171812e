package postgres

import "github.com/keyfob/keyfob/internal/store"

const (
	moveSecrets = `UPDATE secrets s SET digest = m.too, pepper_id = $3 FROM unnest($1::bytea[], $2::bytea[]) AS m (was, too) WHERE s.digest = m.was`
	moveRetired = `UPDATE retired_secrets s SET digest = m.too, pepper_id = $3
		FROM unnest($1::bytea[], $2::bytea[]) AS m (was, too) WHERE s.digest = m.was`
)

// MoveSecrets implements store.Tx. It is one entry in the log of changes, however many there are.
func (t *tx) MoveSecrets(pepperID string, moves []store.Move) (int, error) {
	was, too := make([][]byte, len(moves)), make([][]byte, len(moves))
	for i := range moves {
		was[i], too[i] = moves[i].From[:], moves[i].To[:]
	}
	moved := int64(0)
	for _, q := range []string{moveSecrets, moveRetired} {
		n, err := t.Run("digest", q, was, too, pepperID)
		if err != nil {
			return 0, err
		}
		moved += n
	}
	if moved == 0 {
		return 0, nil
	}
	_, err := t.Run("digest", `SELECT log_change('digests', '', NULL)`)
	return int(moved), err
}
