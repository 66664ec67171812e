package cliutil

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// IOStreams is every fact about the terminal. Payload goes to Out, everything else to ErrOut.
type IOStreams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	InTTY  bool
	OutTTY bool
	ErrTTY bool

	// OutNowhere says that Out was closed before the process began, though writing to it succeeds; nil: it was not.
	OutNowhere func() bool

	// ReadPassword reads a line of a terminal that does not show it; nil: In is none.
	ReadPassword func() ([]byte, error)
	// RestoreTerminal undoes what a ReadPassword that was given up left behind; nil with it.
	RestoreTerminal func()
}

// SystemStreams returns the streams of this process.
func SystemStreams() *IOStreams {
	stdin := int(os.Stdin.Fd())
	s := &IOStreams{
		In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr,
		OutNowhere: leadsNowhere,
		InTTY:      term.IsTerminal(stdin),
		OutTTY:     term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY:     term.IsTerminal(int(os.Stderr.Fd())),
	}
	if !s.InTTY {
		return s
	}
	if state, err := term.GetState(stdin); err == nil {
		s.ReadPassword = func() ([]byte, error) { return term.ReadPassword(stdin) }
		s.RestoreTerminal = func() { _ = term.Restore(stdin, state) }
	}
	return s
}

// TestStreams returns streams over buffers that say they are no terminal.
func TestStreams() (streams *IOStreams, in, out, errOut *bytes.Buffer) {
	in, out, errOut = &bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}
	return &IOStreams{In: in, Out: out, ErrOut: errOut}, in, out, errOut
}
