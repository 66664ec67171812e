package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// Digester makes the digests of secrets under one pepper. They are those of Secret.Digest, but the pepper is prepared once. It is
// safe for concurrent use.
type Digester struct{ macs sync.Pool }

// mac is an HMAC with room for what goes through it: through an interface, it would be allocated each time.
type mac struct {
	hash hash.Hash
	in   [64]byte
	out  [sha256.Size]byte
}

// NewDigester takes the pepper.
func NewDigester(pepper []byte) *Digester {
	key := append([]byte(nil), pepper...)
	d := &Digester{}
	d.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return d
}

// Digest returns HMAC-SHA-256 (RFC 2104) of the secret.
func (d *Digester) Digest(s Secret) [sha256.Size]byte {
	m, ok := d.macs.Get().(*mac)
	if !ok {
		panic("secret: a foreign thing in the pool") // can't be: New makes all of them
	}
	m.hash.Reset()
	m.hash.Write(append(m.in[:0], s.value...))
	m.hash.Sum(m.out[:0])
	sum := m.out
	m.in, m.out = [64]byte{}, [sha256.Size]byte{}
	d.macs.Put(m)
	return sum
}
