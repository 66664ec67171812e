package cliutil

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keyfob/keyfob/internal/shellquote"
)

// Printable makes text that came from a service or a file safe to show: whatever is not printable (controls, escape
// sequences, bidi and zero-width characters, broken UTF-8) appears as its escape.
func Printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			writeEscape(&b, r)
		}
		s = s[size:]
	}
	return b.String()
}

// Quoted is text from the command line as an error repeats it: in quotes, printable, and never a secret.
func Quoted(text string) string { return strconv.Quote(shown(text)) }

// Word is a key's name, or whatever else a user chose, as a command in a hint holds it: one word of a POSIX shell, printable.
func Word(text string) string {
	line, err := shellquote.Line(shellquote.Sh, []string{"keyfob", text})
	if err != nil {
		return Printable(text) // no shell takes it
	}
	return strings.TrimPrefix(line, "keyfob ")
}

// Plain takes the backquotes out of a flag's usage, which mark its value's name there.
func Plain(usage string) string { return strings.ReplaceAll(usage, "`", "") }

// PrintableAll makes each text printable, in place, and returns them.
func PrintableAll(texts []string) []string {
	for i, s := range texts {
		texts[i] = Printable(s)
	}
	return texts
}

// printableJSON escapes what JSON leaves raw but a terminal may obey (DEL, C1 controls, bidi). Outside its strings JSON
// is ASCII, so the escapes can only fall inside them.
func printableJSON(doc []byte) []byte {
	if bytes.IndexFunc(doc, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) < 0 {
		return doc
	}
	var b strings.Builder
	for _, r := range string(doc) {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		writeEscape(&b, r)
	}
	return []byte(b.String())
}

// writeEscape writes r as JSON and Go write it: \uXXXX, above the BMP as a surrogate pair.
func writeEscape(b *strings.Builder, r rune) {
	if r > 0xffff {
		r -= 0x10000
		fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		return
	}
	fmt.Fprintf(b, `\u%04x`, r)
}

// Ago says how long before now t was, in its largest unit: "3 days ago". A zero t is "never".
func Ago(now time.Time, t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	d := now.Sub(*t)
	if d < time.Minute {
		return "just now"
	}
	return Span(d) + " ago"
}

// Span says how long d is in its largest unit: "3 days".
func Span(d time.Duration) string {
	switch {
	case d < time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < 24*time.Hour:
		return count(int(d/time.Hour), "hour")
	default:
		return count(int(d/(24*time.Hour)), "day")
	}
}

func count(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// Stamp is t as scripts read it: RFC 3339 in UTC, empty when there is none.
func Stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
