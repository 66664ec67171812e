package credentials

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	valueVersion = 1
	maxWrite     = 2560 // bytes; what one Windows credential holds (CRED_MAX_CREDENTIAL_BLOB_SIZE)
	maxRead      = 4096 // bytes
)

// Why decode refuses a value.
var (
	errForeign     = errors.New("it holds no session that keyfob wrote")
	errOtherOrigin = errors.New("its session is for another service")
	errOtherKey    = errors.New("it holds no secret of this key")
)

// bound is a token together with whom it is for, so that an item that was moved or copied opens nothing elsewhere. Key is
// empty for a session.
type bound struct {
	V      int    `json:"v"`
	Origin string `json:"origin"`
	Key    string `json:"key,omitempty"`
	Token  string `json:"token"`
}

// encode makes the value that is written. Nothing else in the package reveals a token.
func encode(ref Ref, token secret.Secret) (string, error) {
	if _, err := secret.Parse(ref.kind(), token.Reveal()); err != nil {
		e := &Error{
			Reason: "this is no session token: " + err.Error(),
			Hint:   "only session tokens (kfs_…) are kept here",
			err:    err,
		}
		if ref.Key != "" {
			e.Reason, e.Hint = "this is no secret of a key: "+err.Error(), "only secrets of keys (kf_…) are kept here"
		}
		return "", e
	}
	value, err := json.Marshal(bound{valueVersion, ref.Origin, ref.Key, token.Reveal()})
	if err != nil {
		return "", fmt.Errorf("encode the session: %w", err)
	}
	if len(value) > maxWrite {
		return "", &Error{
			Reason: fmt.Sprintf("the session takes %d bytes, more than the %d that every keyring holds", len(value), maxWrite),
			Hint:   "set " + tokenVariable,
		}
	}
	return string(value), nil
}

// decode returns the token in value, if it is what ref names. The error never holds any of value.
func decode(ref Ref, value string) (secret.Secret, error) {
	var b bound
	if len(value) > maxRead || json.Unmarshal([]byte(value), &b) != nil || b.V != valueVersion {
		return secret.Secret{}, errForeign
	}
	if b.Origin != ref.Origin {
		return secret.Secret{}, errOtherOrigin
	}
	if b.Key != ref.Key {
		return secret.Secret{}, errOtherKey
	}
	token, err := secret.Parse(ref.kind(), b.Token)
	if err != nil {
		return secret.Secret{}, errForeign
	}
	return token, nil
}
