package edit

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// sameOutside compares all that is not the entry.
func sameOutside(before, after document) error {
	a, b := newDigest(), newDigest()
	before.outside(a)
	after.outside(b)
	if a.sum() != b.sum() {
		return errInternal("something else would change")
	}
	return nil
}

// A digest sums up a sequence of parts, of which there may be a million.
type digest struct {
	to  hash.Hash
	buf []byte
}

func newDigest() *digest { return &digest{to: sha256.New()} }

func (d *digest) add(part []byte) {
	d.buf = append(binary.AppendUvarint(d.buf, uint64(len(part))), part...)
	d.flush(1 << 12)
}

func (d *digest) addString(part string) {
	d.buf = append(binary.AppendUvarint(d.buf, uint64(len(part))), part...)
	d.flush(1 << 12)
}

func (d *digest) flush(beyond int) {
	if len(d.buf) > beyond {
		_, _ = d.to.Write(d.buf) // a hash takes all
		d.buf = d.buf[:0]
	}
}

func (d *digest) sum() [sha256.Size]byte {
	d.flush(0)
	return [sha256.Size]byte(d.to.Sum(nil))
}
