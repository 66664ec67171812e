package core

import (
	"crypto/rand"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// User codes are of consonants alone: no word comes about, none looks like a digit, and case does not matter (RFC 8628 §6.1).
const (
	codeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	codeLen      = 8
)

// newUserCode draws a code without bias: bytes from 240 = 12×20 on are drawn again.
func newUserCode() string {
	const fair = 256 - 256%len(codeAlphabet)
	out := make([]byte, 0, codeLen)
	buf := make([]byte, 2*codeLen)
	for len(out) < codeLen {
		_, _ = rand.Read(buf) // never fails: crypto/rand crashes the program rather than return an error
		for _, b := range buf {
			if int(b) < fair && len(out) < codeLen {
				out = append(out, codeAlphabet[int(b)%len(codeAlphabet)])
			}
		}
	}
	return string(out)
}

// shownCode is a code as people read it: XXXX-XXXX.
func shownCode(code string) string { return code[:codeLen/2] + "-" + code[codeLen/2:] }

// normalUserCode returns what was entered as it is kept: in any case, with spaces and dashes anywhere. ok is false when it can't
// be a code; no letter is taken for another that looks like it.
func normalUserCode(entered string) (code string, ok bool) {
	if len(entered) > refMaxBytes {
		return "", false
	}
	code = strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return r
	}, norm.NFKC.String(entered)))
	return code, len(code) == codeLen && strings.Trim(code, codeAlphabet) == ""
}
