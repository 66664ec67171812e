package core

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	answerKept     = 24 * time.Hour
	idempotencyMax = 255
	routeCreateKey = "create-key"
)

// checkIdempotency refuses what is no idempotency key; the empty string is none.
func checkIdempotency(key string) error {
	if len(key) > idempotencyMax || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return invalidf("the idempotency key is not 1 to %d printable ASCII characters", idempotencyMax)
	}
	return nil
}

// repeat is a request that may be made again: where its answer is kept, and what must be the same.
type repeat struct {
	id          [sha256.Size]byte
	fingerprint [sha256.Size]byte
}

// repeatsOf is the repeat of a create by p in the org, under each pepper that the store names, the newest first. What the caller sent
// is kept as a digest alone: people do put secrets into the wrong field.
func (s *Service) repeatsOf(tx store.Tx, org store.Org, p Principal, in NewKey) ([]repeat, error) {
	request, err := json.Marshal(struct {
		Name      string
		Tags      map[string]string
		ExpiresAt int64
		RateLimit api.RateLimit `json:",omitzero"`
	}{in.Name, in.Tags, micro(in.ExpiresAt).UnixMicro(), in.RateLimit}) // a map's members are sorted
	if err != nil {
		return nil, err
	}
	all, err := s.keys.peppers.of(tx)
	if err != nil {
		return nil, err
	}
	scope := strings.Join([]string{"idempotency", org.ID, p.User.ID, routeCreateKey, in.Idempotency}, "|") // ids hold no '|'
	out := make([]repeat, len(all))
	for i, pepper := range all {
		out[i] = repeat{pepper.sum(scope), pepper.digest("request", string(request))}
	}
	return out, nil
}

// sealedAt is the associated data of a kept answer.
func (r repeat) sealedAt(orgID string) string {
	return orgID + "|idempotency|" + hex.EncodeToString(r.id[:])
}

// keepAnswer writes what the same request will be answered with.
func (s *Service) keepAnswer(tx store.Tx, org store.Org, r repeat, keyID string, sec secret.Secret, now time.Time) error {
	dataKey, err := s.keys.dataKey(org)
	if err != nil {
		return err
	}
	sealed, err := seal(dataKey, []byte(sec.Reveal()), r.sealedAt(org.ID))
	if err != nil {
		return err
	}
	return tx.PutAnswer(store.Answer{
		ID: r.id, Fingerprint: r.fingerprint, KeyID: keyID, Sealed: sealed, ExpiresAt: now.Add(answerKept),
	})
}

// answered returns the key and secret that the same request was answered with; false: there was none.
func (s *Service) answered(tx store.Tx, org store.Org, repeats []repeat, now time.Time) (store.Key, secret.Secret, bool, error) {
	var (
		r   repeat
		a   store.Answer
		err error
	)
	for _, r = range repeats {
		if a, err = tx.Answer(r.id, now); !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Key{}, secret.Secret{}, false, nil
	}
	if err != nil {
		return store.Key{}, secret.Secret{}, false, err
	}
	if a.Fingerprint != r.fingerprint {
		return store.Key{}, secret.Secret{}, false, refusef(api.CodeIdempotency, "choose another idempotency key for another request",
			"this idempotency key was used for another key in the last 24 hours")
	}
	row, err := tx.Key(org.ID, a.KeyID)
	if errors.Is(err, store.ErrNotFound) {
		return store.Key{}, secret.Secret{}, false, refusef(api.CodeKeyNotFound, "choose another idempotency key to make another key",
			"the key that the first request with this idempotency key made was deleted")
	}
	if err != nil {
		return store.Key{}, secret.Secret{}, false, err
	}
	sec, err := s.openAnswer(org, r, a)
	return row, sec, err == nil, err
}

func (s *Service) openAnswer(org store.Org, r repeat, a store.Answer) (secret.Secret, error) {
	dataKey, err := s.keys.dataKey(org)
	if err != nil {
		return secret.Secret{}, err
	}
	text, err := unseal(dataKey, a.Sealed, r.sealedAt(org.ID))
	if err != nil {
		return secret.Secret{}, fmt.Errorf("kept answer for %s: %w", a.KeyID, err)
	}
	return secret.Parse(secret.Key, string(text))
}
