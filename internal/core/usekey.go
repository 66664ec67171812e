package core

import "encoding/binary"

// useID is the id of a key without its prefix, five bits a letter: a third of the size, with no pointer, in the same order.
type useID [18]byte

const letterBits = 5

// useIDOf packs an id that newID made.
func useIDOf(id string) (out useID, ok bool) {
	if len(id) != idBytes || id[:len(keyPrefix)] != keyPrefix {
		return out, false
	}
	var hi, lo uint64 // of 130 bits the first 65 and the last
	half := len(keyPrefix) + idLen/2
	var top [2]byte
	for i, b := range []byte(id[len(keyPrefix):]) {
		n := letterOf(b)
		if n >= 1<<letterBits {
			return out, false
		}
		if i < half-len(keyPrefix) {
			top[0] = top[0]<<letterBits | byte(hi>>(64-letterBits))
			hi = hi<<letterBits | uint64(n)
		} else {
			top[1] = top[1]<<letterBits | byte(lo>>(64-letterBits))
			lo = lo<<letterBits | uint64(n)
		}
	}
	out[0] = top[0]
	binary.BigEndian.PutUint64(out[1:], hi)
	out[9] = top[1]
	binary.BigEndian.PutUint64(out[10:], lo)
	return out, true
}

// letterOf is the value of a letter of an id, 1<<letterBits or more if it is none.
func letterOf(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return b - '0'
	case 'a' <= b && b <= 'v':
		return b - 'a' + 10
	}
	return 1 << letterBits
}

func (u useID) String() string {
	out := make([]byte, idBytes)
	copy(out, keyPrefix)
	hi, lo := binary.BigEndian.Uint64(u[1:]), binary.BigEndian.Uint64(u[10:])
	tops := [2]byte{u[0], u[9]}
	for i, word := range [2]uint64{hi, lo} {
		carry := uint64(tops[i])
		for n := idLen/2 - 1; n >= 0; n-- {
			out[len(keyPrefix)+i*idLen/2+n] = idAlphabet[word&(1<<letterBits-1)]
			word = word>>letterBits | carry<<(64-letterBits)
			carry >>= letterBits
		}
	}
	return string(out)
}
