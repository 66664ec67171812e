package core

import (
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Prefixes of ids.
const (
	orgPrefix        = "org_"
	userPrefix       = "usr_"
	sessionPrefix    = "ses_"
	invitationPrefix = "inv_"
	grantPrefix      = "dev_"
	keyPrefix        = "key_"
	eventPrefix      = "evt_"
	rotationPrefix   = "rot_"
	trustPrefix      = "tru_"
)

const (
	idLen      = 26
	idAlphabet = "0123456789abcdefghijklmnopqrstuv" // base32hex (RFC 4648 §7) in lower case: it sorts as the bytes do
)

// newID returns the prefix and a UUIDv7 (RFC 9562), so ids sort by the time they were made.
func newID(prefix string) (string, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return prefix + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(u[:])), nil
}

// isID says whether s has the form of an id with this prefix.
func isID(prefix, s string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	return ok && len(rest) == idLen && strings.Trim(rest, idAlphabet) == ""
}
