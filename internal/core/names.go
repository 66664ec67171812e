package core

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	nameMax     = 64
	tagsMax     = 16
	tagValueMax = 256
	reasonMax   = 256
	slugMax     = 63
	refMaxBytes = 1024 // longer than any name in any normal form that is worth folding
)

// normalName checks a name of a key, an org or a user and returns it in NFC. what stands in the error.
func normalName(what, name string) (string, error) {
	n, err := normalText(what, name, 1, nameMax)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(n, "-") {
		return "", invalidf("%s %s begins with '-': a command would take it for a flag", what, shown(n))
	}
	return n, nil
}

// normalKeyName is normalName for a key: it can't be mistaken for a secret or an id.
func normalKeyName(name string) (string, error) {
	const what = "the name"
	if looksLikeSecret(name) {
		return "", invalidf("the name looks like a secret: a name may not begin with %s or %s, nor hold a secret", secret.Key, secret.Session)
	}
	n, err := normalName(what, name)
	if err != nil {
		return "", err
	}
	if isID(keyPrefix, fold(n)) {
		return "", invalidf("%s %s looks like the id of a key", what, shown(n))
	}
	return n, nil
}

func looksLikeSecret(s string) bool {
	f := strings.ToLower(strings.TrimSpace(s))
	return strings.HasPrefix(f, string(secret.Key)) || strings.HasPrefix(f, string(secret.Session)) || holdsSecret(s)
}

// normalText checks text that people read, and returns it in NFC: at least least and at most most characters, none of
// them broken, controlling, invisible or of uncertain direction, and no space at either end.
func normalText(what, s string, least, most int) (string, error) {
	if !utf8.ValidString(s) {
		return "", invalidf("%s is not valid UTF-8", what)
	}
	if len(s) > utf8.UTFMax*utf8.UTFMax*most {
		return "", invalidf("%s is too long: at most %d characters", what, most)
	}
	if holdsSecret(s) {
		return "", invalidf("%s holds a secret: it would be shown to everyone who may list keys", what)
	}
	n := norm.NFC.String(s)
	count := utf8.RuneCountInString(n)
	switch {
	case count < least:
		return "", invalidf("%s is empty", what)
	case count > most:
		return "", invalidf("%s %s has %d characters: at most %d", what, shown(n), count, most)
	case strings.TrimSpace(n) != n:
		return "", invalidf("%s %s begins or ends with a space", what, shown(n))
	}
	for i, r := range n {
		if i == 0 && unicode.Is(unicode.M, r) {
			return "", invalidf("%s %s begins with a mark that needs a letter before it (%U)", what, shown(n), r)
		}
		if !visible(r) {
			return "", invalidf("%s %s holds a character that is not visible (%U)", what, shown(n), r)
		}
	}
	return n, nil
}

// cleaned makes of what a program or a provider says of itself a name that normalName takes, or nothing where nothing is left.
func cleaned(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), refMaxBytes)], "")
	if holdsSecret(s) {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !visible(r):
			return -1
		}
		return r
	}, s)
	s = strings.TrimLeftFunc(norm.NFC.String(s), func(r rune) bool { return r == ' ' || r == '-' || unicode.Is(unicode.M, r) })
	if runes := []rune(s); len(runes) > nameMax {
		s = string(runes[:nameMax])
	}
	if s = strings.TrimRight(s, " "); holdsSecret(s) { // one that invisible characters had hidden
		return ""
	}
	return s
}

// visible is unicode.IsPrint less what it lets through and no one sees: fillers, variation selectors, the blank braille
// pattern, and the replacement character, which stands for text that was lost on the way here.
func visible(r rune) bool {
	const blankBraille = '\u2800'
	return unicode.IsPrint(r) && r != blankBraille && r != utf8.RuneError &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// fold returns what names are compared by: canonical caseless matching (Unicode 3.13, D145), in NFC. Runes that differ in
// case alone are made one before, since x/text folds the two cases of Cherokee to each other (U+13C7, U+AB97).
func fold(name string) string {
	return norm.NFC.String(cases.Fold().String(strings.Map(leastCase, norm.NFD.String(name))))
}

// leastCase returns the first of the runes that r is equal to under simple case folding.
func leastCase(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

// normalTags checks tags and returns a copy in NFC.
func normalTags(tags map[string]string) (map[string]string, error) {
	if len(tags) > tagsMax {
		return nil, invalidf("there are %d tags: at most %d", len(tags), tagsMax)
	}
	out := make(map[string]string, len(tags))
	for name, value := range tags {
		n, err := normalText("the tag name", name, 1, nameMax)
		if err != nil {
			return nil, err
		}
		if _, twice := out[n]; twice {
			return nil, invalidf("the tag %s is there twice", shown(n))
		}
		v, err := normalText("the value of the tag "+shown(n), value, 0, tagValueMax)
		if err != nil {
			return nil, err
		}
		out[n] = v
	}
	return out, nil
}

// checkSlug refuses what is no slug: [a-z0-9][a-z0-9-]*, at most 63 characters.
func checkSlug(slug string) error {
	const letters, more = "abcdefghijklmnopqrstuvwxyz0123456789", "-"
	if slug == "" || len(slug) > slugMax || strings.Trim(slug, letters+more) != "" || strings.HasPrefix(slug, more) {
		return invalidf("the organisation's slug %s is not 1 to %d of a-z, 0-9 and '-', beginning with a letter or digit", shown(slug), slugMax)
	}
	return nil
}
