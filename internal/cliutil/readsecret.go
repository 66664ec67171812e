package cliutil

import (
	"context"
	"io"
	"strings"
	"time"
)

const (
	// secretWait bounds the wait for a secret on stdin: long enough to paste one or for a password manager to ask.
	secretWait = 2 * time.Minute
	// maxSecret bounds what is read, in bytes.
	maxSecret = 4096
)

// ReadSecret reads a secret from stdin: one line, white space around it ignored. what names it in errors, which never
// hold it.
func ReadSecret(ctx context.Context, out *Output, what string) (string, error) {
	if out.IO.InTTY {
		if out.NoInput {
			return "", badSecret(what, "stdin is a terminal, and --no-input forbids to ask there")
		}
		_, _ = io.WriteString(out.IO.ErrOut, "Paste the "+what+", then press Enter and Ctrl-D.\n")
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1) // a read of stdin can't be cancelled; a late one must find room
	go func() {
		text, err := io.ReadAll(io.LimitReader(out.IO.In, maxSecret+1))
		done <- result{text, err}
	}()
	timer := time.NewTimer(secretWait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return "", ErrCancelled
	case <-timer.C:
		return "", badSecret(what, "nothing came on stdin within "+secretWait.String())
	case r := <-done:
		if r.err != nil {
			return "", badSecret(what, "stdin can't be read: "+r.err.Error())
		}
		return oneLine(what, string(r.text))
	}
}

func oneLine(what, text string) (string, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return "", badSecret(what, "stdin is empty")
	case len(text) > maxSecret:
		return "", badSecret(what, "stdin holds more than a "+what)
	case strings.ContainsAny(trimmed, "\r\n"):
		return "", badSecret(what, "stdin holds more than one line")
	}
	return trimmed, nil
}

func badSecret(what, reason string) *Error {
	e := UsageError("%s", reason)
	e.Code, e.Hint = "invalid-secret", "pipe one "+what+" into the command"
	return e
}
