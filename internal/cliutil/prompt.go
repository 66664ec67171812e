package cliutil

import (
	"bufio"
	"context"
	"fmt"
	"strings"
)

// CanPrompt says whether somebody is there to ask: stdin and stdout are terminals and --no-input was not given.
func (o *Output) CanPrompt() bool { return !o.NoInput && o.IO.InTTY && o.IO.OutTTY }

// YesOrAsk says that doing, which can't be undone, needs --yes where nobody can be asked.
func (o *Output) YesOrAsk(yes bool, doing string) error {
	if yes || o.CanPrompt() {
		return nil
	}
	e := UsageError("%s needs --yes here", doing)
	e.Hint = "nobody can be asked: add --yes"
	return e
}

// ConfirmByName asks a person to type a name. Anything else, the end of input and Ctrl-C are ErrCancelled.
func (o *Output) ConfirmByName(ctx context.Context, question, name string) error {
	_, _ = fmt.Fprintf(o.IO.ErrOut, "%s\nType %s to confirm: ", question, Printable(name))
	line, err := o.readLine(ctx)
	if err != nil {
		return err
	}
	if line != name {
		o.Note("That is not %s; nothing was done.", Printable(name))
		return ErrCancelled
	}
	return nil
}

// Confirm asks a question that is answered yes or no. Anything but yes, and the end of input, is no; Ctrl-C is ErrCancelled.
func (o *Output) Confirm(ctx context.Context, question string) (bool, error) {
	_, _ = fmt.Fprintf(o.IO.ErrOut, "%s [y/N] ", Printable(question))
	line, err := o.readLine(ctx)
	if err != nil {
		if ctx.Err() == nil { // the end of input
			return false, nil
		}
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// readLine reads a line of stdin; a person may take their time, but Ctrl-C ends the wait.
func (o *Output) readLine(ctx context.Context) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1) // a read can't be cancelled; a late one must find room
	go func() {
		line, err := o.reader().ReadString('\n')
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ErrCancelled
	case r := <-done:
		if r.err != nil && r.line == "" {
			return "", ErrCancelled
		}
		return strings.TrimRight(r.line, "\r\n"), nil
	}
}

// reader is one for all questions of a command: a second one would miss what the first had read ahead.
func (o *Output) reader() *bufio.Reader {
	if o.in == nil {
		o.in = bufio.NewReader(o.IO.In)
	}
	return o.in
}
