package keyscan

import (
	"bytes"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/pkg/secret"
)

// bodyLen is the length of what follows a secret's prefix: 32 random characters and 6 of checksum.
const bodyLen = 38

// Hit is a secret in a text.
type Hit struct {
	// Line and Column count from 1, Column in characters. Lines end with a line feed.
	Line, Column int
	Kind         secret.Kind
	Secret       secret.Secret
}

// match is a hit by its offset.
type match struct {
	at   int
	code encoding
	kind secret.Kind
	sec  secret.Secret
}

// Text returns every secret in data, in order. UTF-8 and what resembles it is read as it is, UTF-16 with or without a byte
// order mark, and the underscore as %5F as well.
//
// The body must not go on: a longer run of base62 is something else, unless it is the next secret that follows. What stands
// before the prefix doesn't matter, for it is often a letter of an escape: \n in JSON, %3D in a URL.
func Text(data []byte) []Hit {
	found := narrow(data)
	if bytes.IndexByte(data, 0) >= 0 {
		found = append(found, wide(data)...)
		slices.SortStableFunc(found, func(a, b match) int { return a.at - b.at })
	}
	if len(found) == 0 {
		return nil
	}
	var cursors [3]cursor
	hits := make([]Hit, len(found))
	for i, m := range found {
		line, column := cursors[m.code].moveTo(data, m)
		hits[i] = Hit{Line: line, Column: column, Kind: m.kind, Secret: m.sec}
	}
	return hits
}

func narrow(data []byte) []match {
	var found []match
	for i := 0; ; {
		next := bytes.Index(data[i:], []byte("kf"))
		if next < 0 {
			return found
		}
		at := i + next
		if kind, sec, ok := parse(data[at:]); ok {
			found = append(found, match{at, utf8Text, kind, sec})
		}
		i = at + len("kf")
	}
}

// wide finds secrets in UTF-16. Every second byte of one is NUL, in either byte order.
func wide(data []byte) []match {
	var found []match
	for i := 0; ; {
		next := bytes.Index(data[i:], []byte("k\x00f"))
		if next < 0 {
			return found
		}
		at := i + next
		orders := [2]encoding{utf16LE, utf16BE}
		if at%2 == 1 { // the letter is the second byte of its pair
			orders = [2]encoding{utf16BE, utf16LE}
		}
		for _, code := range orders {
			if kind, sec, ok := parse(ascii(data, at, code)); ok {
				found = append(found, match{at, code, kind, sec})
				break
			}
		}
		i = at + len("k\x00f")
	}
}

// ascii returns the ASCII characters from the offset on, as many as decide whether they are a secret.
func ascii(data []byte, at int, code encoding) []byte {
	const enough = len("kfs%5F") + bodyLen + len("kfs%5F")
	high := 1 // where the high byte of a pair is, seen from the low one
	if code == utf16BE {
		high = -1
	}
	out := make([]byte, 0, enough)
	for ; len(out) < enough && at+high >= 0 && max(at, at+high) < len(data) && data[at+high] == 0; at += 2 {
		out = append(out, data[at])
	}
	return out
}

// parse takes the secret that text begins with.
func parse(text []byte) (secret.Kind, secret.Secret, bool) {
	kind, n := prefix(text)
	if n == 0 || len(text) < n+bodyLen {
		return "", secret.Secret{}, false
	}
	body, rest := text[n:n+bodyLen], text[n+bodyLen:]
	if slices.ContainsFunc(body, notBase62) {
		return "", secret.Secret{}, false
	}
	if len(rest) > 0 && !notBase62(rest[0]) {
		if _, follows := prefix(rest); follows == 0 {
			return "", secret.Secret{}, false
		}
	}
	sec, err := secret.Parse(kind, string(kind)+string(body))
	return kind, sec, err == nil
}

// prefix returns the kind of secret whose prefix text begins with, and the prefix's length as it is written there; 0: none.
func prefix(text []byte) (secret.Kind, int) {
	for _, kind := range [...]secret.Kind{secret.Key, secret.Session} {
		word := strings.TrimSuffix(string(kind), "_")
		if len(text) < len(word) || string(text[:len(word)]) != word {
			continue
		}
		for _, underscore := range [...]string{"_", "%5F", "%5f"} {
			n := len(word) + len(underscore)
			if len(text) >= n && string(text[len(word):n]) == underscore {
				return kind, n
			}
		}
	}
	return "", 0
}

func notBase62(b byte) bool {
	return (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z')
}

// mask replaces the secrets in s by their hints.
func mask(s string) string {
	from := 0
	var out strings.Builder
	for _, m := range narrow([]byte(s)) {
		if m.at < from {
			continue // it begins within the last one
		}
		_, n := prefix([]byte(s[m.at:]))
		out.WriteString(s[from:m.at] + m.sec.Hint())
		from = m.at + n + bodyLen
	}
	return out.String() + s[from:]
}
