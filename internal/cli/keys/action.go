package keys

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// outcome is what became of one of several keys.
type outcome struct {
	Key   string        `json:"key"` // as it was named
	OK    bool          `json:"ok"`
	ID    string        `json:"id,omitempty"`
	Error *outcomeError `json:"error,omitempty"`

	name, done string
	err        error
}

type outcomeError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// actOn does one thing, called done afterwards, to each named key, and reports for each. One key's failure does not stop the others: what
// succeeded has happened, and is said, also when the rest is given up. The failure of a single named key is the command's own.
func actOn(ctx context.Context, out *cliutil.Output, names []string, done string, act func(ctx context.Context, name string) (api.Key, error)) error {
	var results []outcome
	failed, cancelled := 0, 0
	for _, name := range names {
		key, err := act(ctx, name)
		if err != nil && (len(names) == 1 || ctx.Err() != nil && failed == len(results)) {
			return err // nothing has happened
		}
		r := outcome{Key: name, OK: err == nil, ID: key.ID, name: key.Name, done: done, err: err}
		if err != nil {
			failed++
			known := cliutil.Describe(err)
			r.Error = &outcomeError{Code: known.Code, Message: known.Message}
			if known.Exit == cliutil.ExitCancelled {
				cancelled++
			}
		}
		results = append(results, r)
		if ctx.Err() != nil {
			break
		}
	}
	if err := report(out, results); err != nil {
		return err
	}
	message := fmt.Sprintf("%d of %d keys failed; the others are done", failed, len(names))
	switch {
	case len(results) < len(names) || cancelled == len(names):
		return cliutil.ErrCancelled
	case failed == 0:
		return nil
	case failed == len(names):
		message = fmt.Sprintf("all %d keys failed", failed)
	}
	return &cliutil.Error{
		Code: "partial-failure", Exit: cliutil.ExitFailed, Message: message, Hint: "see the outcome of each key above",
	}
}

func report(out *cliutil.Output, results []outcome) error {
	if out.Structured() {
		return out.Object(map[string]any{"results": results})
	}
	var rows [][]string
	for _, r := range results {
		switch {
		case r.err != nil:
			out.Note("%s: %s", cliutil.Printable(r.Key), cliutil.Printable(r.Error.Message))
		case out.Quiet:
			if err := out.Line("%s", cliutil.Printable(r.ID)); err != nil {
				return err
			}
		default:
			rows = append(rows, []string{r.name, r.done})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return out.Table([]string{"KEY", "OUTCOME"}, rows)
}

// someKeys asks for at least one key.
func someKeys(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cliutil.ExactArgs("a key's name or id")(cmd, args)
	}
	return nil
}
