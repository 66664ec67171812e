package cliutil

import (
	"io"
	"strings"
	"sync"
)

// StatusLine is a line on the terminal that is written over. Where nobody looks it writes nothing: off a terminal, on a dumb one, and
// with --quiet.
type StatusLine struct {
	mu    sync.Mutex
	w     io.Writer // nil: nobody looks
	width int
	shown bool
}

// StatusLine returns a line on stderr.
func (o *Output) StatusLine(env func(string) string) *StatusLine {
	if !o.IO.ErrTTY || o.Quiet || env("TERM") == "dumb" {
		return &StatusLine{}
	}
	return &StatusLine{w: o.IO.ErrOut, width: statusWidth}
}

// statusWidth is what fits on any terminal: a line that wraps can't be written over.
const statusWidth = 79

// Set shows the text instead of what was shown.
func (s *StatusLine) Set(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return
	}
	runes := []rune(Printable(text))
	if len(runes) > s.width {
		runes = append(runes[:s.width-1], '…')
	}
	_, _ = io.WriteString(s.w, "\r"+string(runes)+"\x1b[K")
	s.shown = true
}

// Clear takes it away.
func (s *StatusLine) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown {
		_, _ = io.WriteString(s.w, "\r\x1b[K")
		s.shown = false
	}
}

// Bar draws how much of a whole is done.
func Bar(done, all int) string {
	const width = 24
	filled := 0
	if all > 0 {
		filled = width * done / all
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}
