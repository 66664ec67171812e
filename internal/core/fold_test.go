package core

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// TestFold goes through all of Unicode: runes that differ in case or in normal form alone fold to one, and what is folded
// stays as it is.
func TestFold(t *testing.T) {
	t.Parallel()
	cased := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		other, decomposed := unicode.SimpleFold(r), norm.NFD.String(string(r))
		if other == r && decomposed == string(r) {
			continue
		}
		cased++
		folded := fold(string(r))
		if fold(string(other)) != folded || fold(decomposed) != folded || fold(folded) != folded {
			t.Errorf("%U folds to %+q, %U to %+q, its NFD to %+q, that again to %+q",
				r, folded, other, fold(string(other)), fold(decomposed), fold(folded))
		}
	}
	if cased < 2000 {
		t.Errorf("only %d runes were looked at", cased)
	}
	if fold("i") == fold("ı") || fold("a") == fold("á") || fold("a") == fold("а") {
		t.Error("letters that differ are one")
	}
}
