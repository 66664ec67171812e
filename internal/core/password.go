package core

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/keyfob/keyfob/pkg/api"
)

const (
	passwordMin      = 15   // characters (NIST SP 800-63B-4 §3.1.1.2)
	passwordMaxBytes = 1024 // what is hashed must have some end

	// The least that OWASP's Password Storage Cheat Sheet asks of Argon2id.
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashLen     = 32 // bytes

	hashesAtOnce = 2
	hashWait     = 10 * time.Second
)

// newPassword checks a password that somebody chose and hashes it. email is the account's.
func (s *Service) newPassword(ctx context.Context, email, password string) (string, error) {
	const what = "the password"
	switch {
	case !utf8.ValidString(password):
		return "", invalidf("%s is not valid UTF-8", what)
	case len(password) > passwordMaxBytes:
		return "", invalidf("%s is too long: at most %d bytes", what, passwordMaxBytes)
	case utf8.RuneCountInString(norm.NFC.String(password)) < passwordMin:
		return "", refusef(api.CodeInvalidRequest, "take some words that come to your mind together nowhere else", "%s is too short: at least %d characters", what, passwordMin)
	case fold(password) == fold(email):
		return "", invalidf("%s is the e-mail address: it is the first one to be tried", what)
	}
	return s.hasher.hash(ctx, password)
}

// hasher hashes passwords with Argon2id (RFC 9106), a few at a time: each takes hashMemory and tens of milliseconds of a core.
type hasher struct {
	slots chan struct{}
	wait  time.Duration // for a slot, at most
}

func newHasher() hasher { return hasher{make(chan struct{}, hashesAtOnce), hashWait} }

// hash returns the hash in the form of the PHC string format.
func (h hasher) hash(ctx context.Context, password string) (string, error) {
	v := phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, hashSalt)}
	_, _ = rand.Read(v.salt) // never fails: crypto/rand crashes the program rather than return an error
	var err error
	v.sum, err = h.sum(ctx, v, password, hashLen)
	return v.String(), err
}

// matches says whether password is the one of the hash. Without a hash, or with a password that can't be anybody's, it takes as
// long as with one and says no.
func (h hasher) matches(ctx context.Context, hash, password string) (bool, error) {
	if hash == "" || len(password) > passwordMaxBytes || !utf8.ValidString(password) {
		_, err := h.hash(ctx, "")
		return false, err
	}
	v, err := parsePHC(hash)
	if err != nil {
		return false, err
	}
	sum, err := h.sum(ctx, v, password, len(v.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, v.sum) == 1, err
}

// sum waits for its turn. NFKC makes one password of what keyboards make of it.
func (h hasher) sum(ctx context.Context, v phc, password string, size int) ([]byte, error) {
	late := time.NewTimer(h.wait)
	defer late.Stop()
	select {
	case h.slots <- struct{}{}:
	case <-late.C:
		return nil, refusef(api.CodeUnavailable, "try again", "too many passwords are being checked")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(norm.NFKC.String(password)), v.salt, v.time, v.memory, v.threads, uint32(size)), nil //nolint:gosec // at most 64
}

// phc is an Argon2id hash with what it was made with.
type phc struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

// String returns $argon2id$v=19$m=…,t=…,p=…$salt$sum.
func (v phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, v.memory, v.time, v.threads, b64(v.salt), b64(v.sum))
}

var errHash = errors.New("a password's hash is not one of Argon2id in PHC string form")

// parsePHC takes only costs that a service may have been told to take.
func parsePHC(s string) (phc, error) {
	const parts = 6
	part := strings.Split(s, "$")
	if len(part) != parts || part[0] != "" || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return phc{}, errHash
	}
	var v phc
	if n, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &v.memory, &v.time, &v.threads); n != 3 || err != nil {
		return phc{}, errHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(part[4])
	if err != nil {
		return phc{}, errHash
	}
	sum, err := base64.RawStdEncoding.DecodeString(part[5])
	if v.salt, v.sum = salt, sum; err != nil || !v.sound() {
		return phc{}, errHash
	}
	return v, nil
}

func (v phc) sound() bool {
	const maxMemory, maxTime, minSalt, minSum, maxLen = 1 << 20, 16, 8, 16, 64
	between := func(n, least, most int) bool { return n >= least && n <= most }
	return between(int(v.memory), 1, maxMemory) && between(int(v.time), 1, maxTime) && v.threads >= 1 &&
		between(len(v.salt), minSalt, maxLen) && between(len(v.sum), minSum, maxLen)
}
