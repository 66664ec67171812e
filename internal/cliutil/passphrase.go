package cliutil

import (
	"context"
	"fmt"

	"github.com/keyfob/keyfob/internal/config"
)

// Passphrase returns the passphrase of an encrypted session: KEYFOB_PASSPHRASE, else what a person types at the terminal,
// unseen, and twice when it is a new one.
func (f *Factory) Passphrase(ctx context.Context, purpose string, confirm bool) (string, error) {
	cfg, err := f.Config()
	if err != nil {
		return "", err
	}
	if given := cfg.String(config.OptPassphrase); given != "" {
		return given, nil
	}
	if cfg.Bool(config.OptNoInput) || f.IO.ReadPassword == nil {
		return "", &Error{
			Code: "passphrase-needed", Exit: ExitAuth, Message: "a passphrase is needed " + purpose,
			Hint: "set KEYFOB_PASSPHRASE, or run the command on a terminal",
		}
	}
	first, err := f.readUnseen(ctx, "Passphrase "+purpose+": ")
	if err != nil || !confirm {
		return first, err
	}
	if len([]rune(first)) < minPassphrase {
		return "", UsageError("the passphrase is shorter than %d characters", minPassphrase)
	}
	second, err := f.readUnseen(ctx, "Once more: ")
	if err == nil && first != second {
		return "", UsageError("the two passphrases differ")
	}
	return first, err
}

// minPassphrase is what keeps a guesser busy for long at the work factor of the file.
const minPassphrase = 12

func (f *Factory) readUnseen(ctx context.Context, prompt string) (string, error) {
	_, _ = fmt.Fprint(f.IO.ErrOut, prompt)
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1) // a read can't be cancelled; a late one must find room
	go func() {
		text, err := f.IO.ReadPassword()
		done <- result{text, err}
	}()
	defer func() { _, _ = fmt.Fprintln(f.IO.ErrOut) }()
	select {
	case <-ctx.Done():
		f.IO.RestoreTerminal()
		return "", ErrCancelled
	case r := <-done:
		if r.err != nil {
			return "", ErrCancelled // the end of input
		}
		return string(r.text), nil
	}
}
