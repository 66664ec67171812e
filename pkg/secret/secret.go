// Package secret is the format of the strings that open something: a key's secret (kf_…) and a session's token (kfs_…).
//
// A secret is a prefix, 32 base62 characters from the operating system's CSPRNG (190 bits) and 6 base62 characters of
// CRC-32 (IEEE) over all that precedes. The checksum finds typos and foreign strings before a store is asked; it proves
// nothing else. The package must not know where secrets are kept or who may see them.
package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
)

// Kind is what a secret opens; it stands at the front of the string.
type Kind string

// The kinds of secret.
const (
	Key     Kind = "kf_"
	Session Kind = "kfs_"
)

const (
	randomLen   = 32
	checksumLen = 6
	hintTail    = 4
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Reasons why Parse refuses a string.
var (
	ErrForm     = errors.New("it does not have the form of a secret of this kind")
	ErrChecksum = errors.New("its checksum is wrong: it was mistyped or cut short")
)

// Secret is a secret that prints as its hint: through fmt, encoding/json, encoding.TextMarshaler and log/slog. Only Reveal gives the
// string. The zero Secret is no secret.
type Secret struct{ value string }

// New makes a secret of the kind.
func New(kind Kind) Secret {
	body := string(kind) + randomBase62(randomLen)
	sum := checksum(body)
	return Secret{body + string(sum[:])}
}

// Parse takes the string for a secret of the kind, or says why it is none: ErrForm or ErrChecksum. The error never holds
// the string.
func Parse(kind Kind, s string) (Secret, error) {
	rest, ok := strings.CutPrefix(s, string(kind))
	if !ok || len(rest) != randomLen+checksumLen || !isBase62(rest) {
		return Secret{}, ErrForm
	}
	body, sum := s[:len(s)-checksumLen], checksum(s[:len(s)-checksumLen])
	if string(sum[:]) != s[len(body):] {
		return Secret{}, ErrChecksum
	}
	return Secret{s}, nil
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.value }

// IsZero says that there is no secret.
func (s Secret) IsZero() bool { return s.value == "" }

// Hint returns the masked form: prefix, ellipsis, last four characters.
func (s Secret) Hint() string {
	if s.value == "" {
		return ""
	}
	prefix, _, _ := strings.Cut(s.value, "_")
	return prefix + "_…" + s.value[len(s.value)-hintTail:]
}

// Digest returns HMAC-SHA-256 (RFC 2104) of the secret under the pepper: what a store keeps and looks up.
func (s Secret) Digest(pepper []byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(s.value))
	var d [sha256.Size]byte
	mac.Sum(d[:0])
	return d
}

// String returns the hint.
func (s Secret) String() string { return s.Hint() }

// GoString returns the hint.
func (s Secret) GoString() string { return s.Hint() }

// Format writes the hint for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.Hint())) }

// MarshalText returns the hint.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.Hint()), nil }

// MarshalJSON returns the hint.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.Hint()) }

// LogValue returns the hint.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.Hint()) }

// randomBase62 draws n characters without bias: bytes from 248 = 4×62 on are drawn again.
func randomBase62(n int) string {
	out := make([]byte, 0, n)
	buf := make([]byte, n+n/4)
	for len(out) < n {
		_, _ = rand.Read(buf) // never fails: crypto/rand crashes the program rather than return an error
		for _, b := range buf {
			if b < 248 && len(out) < n {
				out = append(out, alphabet[b%62])
			}
		}
	}
	return string(out)
}

// checksum allocates nothing, nor does isBase62: junk must cost next to nothing. crc32.ChecksumIEEE takes no string.
func checksum(body string) (out [checksumLen]byte) {
	sum := ^uint32(0)
	for i := range len(body) {
		sum = crc32.IEEETable[byte(sum&0xff)^body[i]] ^ sum>>8
	}
	sum = ^sum
	for i := checksumLen - 1; i >= 0; i-- {
		out[i] = alphabet[sum%62]
		sum /= 62
	}
	return out
}

func isBase62(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		default:
			return false
		}
	}
	return true
}
