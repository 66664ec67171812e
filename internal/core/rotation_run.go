package core

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
)

// runsOf are the digests that a run of the user's may have: first the one that it is given, under a key of the org's, since a run is
// recognised for good and peppers come and go; then those that it was given before there was that, under the peppers. One that is
// zero: it has no name.
func (r *rotating) runsOf(p Principal, run string) ([][32]byte, error) {
	if run == "" {
		return make([][32]byte, 1), nil
	}
	dataKey, err := r.s.keys.dataKey(r.org)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, dataKey, nil, "keyfob runs", dataKeyLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	peppers, err := r.s.keys.peppers.of(r.tx)
	if err != nil {
		return nil, err
	}
	text := strings.Join([]string{"rotation", r.org.ID, p.User.ID, run}, "|") // ids hold no '|'
	out := [][32]byte{sumUnder([32]byte(key), text)}
	for _, p := range peppers {
		out = append(out, p.sum(text))
	}
	return out, nil
}

// known returns the rotation that a run goes on with.
func (r *rotating) known(runs [][32]byte, emergency bool) (store.Rotation, error) {
	for _, run := range runs {
		if run == [32]byte{} {
			break
		}
		row, err := r.tx.RotationOfRun(r.key.ID, run)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return row, err
		}
		finished := err == nil && !row.PromotedAt.IsZero()
		if finished && (row.Emergency || !emergency) { // one that must cut now is not done with one that did not
			return row, nil
		}
	}
	return r.tx.OpenRotation(r.key.ID)
}
