package core

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const emailMax = 254 // what an SMTP path leaves (RFC 5321 §4.5.3.1.3)

// normalEmail checks an e-mail address and returns it as it is kept and compared: lower case, NFC. It is a name here; nothing is
// ever sent to it, so the form is checked no further than that it can't be mistaken for another.
func normalEmail(email string) (string, error) {
	const what = "the e-mail address"
	if !utf8.ValidString(email) {
		return "", invalidf("%s is not valid UTF-8", what)
	}
	if len(email) > utf8.UTFMax*emailMax {
		return "", invalidf("%s is too long: at most %d bytes", what, emailMax)
	}
	n := foldEmail(email)
	name, domain, _ := strings.Cut(n, "@")
	switch {
	case holdsSecret(email):
		return "", invalidf("%s holds a secret: it would be shown to the organisation's members", what)
	case name == "" || domain == "" || strings.Contains(domain, "@"):
		return "", invalidf("%s %s is not a name, one @ and a domain", what, shown(email))
	case strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, "."):
		return "", invalidf("%s %s has a dot at an end of its domain", what, shown(email))
	case len(n) > emailMax:
		return "", invalidf("%s %s has %d bytes: at most %d", what, shown(email), len(n), emailMax)
	}
	for _, r := range email {
		if r == ' ' || !visible(r) {
			return "", invalidf("%s %s holds a character that is not visible (%U)", what, shown(email), r)
		}
		if r >= utf8.RuneSelf && strings.ContainsFunc(foldEmail(string(r)), isASCII) {
			return "", invalidf("%s %s holds a character that is taken for another (%U)", what, shown(email), r)
		}
	}
	return n, nil
}

// foldEmail makes a few letters that are not ASCII into letters that are, such as the Kelvin sign into k: normalEmail refuses
// them, or whoever has one mailbox could pass for the holder of another.
func foldEmail(s string) string { return norm.NFC.String(strings.ToLower(norm.NFC.String(s))) }

func isASCII(r rune) bool { return r < utf8.RuneSelf }

// domainOf returns what stands behind the @ of a normal address.
func domainOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return domain
}
