package keyscan

import (
	"bytes"
	"unicode/utf8"
)

// encoding is how a secret's characters are stored.
type encoding int

const (
	utf8Text encoding = iota
	utf16LE
	utf16BE
)

// cursor goes through a text once and counts lines and characters, so that many hits cost no more than one.
type cursor struct {
	at     int // everything before is counted
	lines  int // line feeds
	column int // characters since the last one
	begun  bool
}

// moveTo returns the line and column, from 1, of a match that lies behind the last one of the same encoding.
func (c *cursor) moveTo(data []byte, m match) (line, column int) {
	switch m.code {
	case utf8Text:
		c.bytes(data, m.at)
	case utf16LE:
		c.pairs(data, m.at, 1)
	case utf16BE:
		c.pairs(data, m.at-1, 0)
	}
	return c.lines + 1, c.column + 1
}

func (c *cursor) bytes(data []byte, to int) {
	if !c.begun {
		c.begun = true
		if bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")) {
			c.at = len("\xEF\xBB\xBF")
		}
	}
	part := data[min(c.at, to):to]
	c.at = to
	if n := bytes.Count(part, []byte("\n")); n > 0 {
		c.lines += n
		c.column = 0
		part = part[bytes.LastIndexByte(part, '\n')+1:]
	}
	c.column += utf8.RuneCount(part)
}

// pairs counts the units of UTF-16 up to the offset; high is where in a pair the high byte is. A text that is not aligned
// with the last match's counts from where that one ended.
func (c *cursor) pairs(data []byte, to, high int) {
	if !c.begun {
		c.begun = true
		c.at = to % 2
		if to >= 2 && data[c.at+high] == 0xFE && data[c.at+1-high] == 0xFF {
			c.at += 2
		}
	}
	c.at += (to - c.at) % 2
	for ; c.at < to; c.at += 2 {
		unit := uint16(data[c.at+high])<<8 | uint16(data[c.at+1-high])
		switch {
		case unit == '\n':
			c.lines++
			c.column = 0
		case unit < 0xDC00 || unit > 0xDFFF: // the second half of a pair of surrogates is no character
			c.column++
		}
	}
}
