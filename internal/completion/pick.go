package completion

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"
)

// pick is the words that match. Beyond maxOffered it keeps the least and the greatest: a shell completes as far as all the
// words that it is given agree, and so far these two agree with all.
type pick struct {
	lines       []line
	more        int
	least, most line
}

// line is a line of a list, and where in it the word that is offered begins.
type line struct {
	text []byte
	word int
}

// compare orders lines by their words: a tab, which ends a word, sorts before all that a word may hold.
func (l line) compare(other line) int { return bytes.Compare(l.text[l.word:], other.text[other.word:]) }

func (p *pick) add(l line) {
	if len(p.lines) < maxOffered {
		p.lines = append(p.lines, l)
		return
	}
	if p.more++; p.more == 1 {
		p.least, p.most = l, l
		return
	}
	if l.compare(p.most) > 0 {
		p.most = l
	} else if l.compare(p.least) < 0 {
		p.least = l
	}
}

// offer returns the words as describe tells them, and how many there are besides.
func (p *pick) offer(describe func(line) cobra.Completion) []cobra.Completion {
	lines := p.lines
	if p.more > 0 {
		lines = append(lines, p.least)
	}
	if p.more > 1 {
		lines = append(lines, p.most)
	}
	offered := make([]cobra.Completion, 0, len(lines)+1)
	for _, l := range lines {
		offered = append(offered, describe(l))
	}
	if p.more > 2 {
		offered = cobra.AppendActiveHelp(offered, fmt.Sprintf("%d more; type the next letter", p.more-2))
	}
	return offered
}
