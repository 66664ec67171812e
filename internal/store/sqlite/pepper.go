package sqlite

import "github.com/keyfob/keyfob/internal/store"

const (
	moveSecret  = `UPDATE secrets SET digest = $2, pepper_id = $3 WHERE digest = $1`
	moveRetired = `UPDATE retired_secrets SET digest = $2, pepper_id = $3 WHERE digest = $1`
)

// MoveSecrets implements store.Tx.
func (t *tx) MoveSecrets(pepperID string, moves []store.Move) (moved int, err error) {
	for _, m := range moves {
		for _, q := range []string{moveSecret, moveRetired} {
			n, err := t.Run("digest", q, m.From[:], m.To[:], pepperID)
			if err != nil {
				return 0, err
			}
			moved += int(n)
		}
	}
	return moved, nil
}
