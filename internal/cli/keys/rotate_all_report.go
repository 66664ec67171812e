package keys

import (
	"fmt"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// What became of a key.
const (
	outcomeWould   = "would-rotate"
	outcomeRotated = "rotated"
	outcomeWaits   = "waits" // for the first use of its new secret
	outcomeBefore  = "done-before"
	outcomeFailed  = "failed"
	outcomeNot     = "not-begun"
)

// rotated is one key's line of a rotation of many; it holds no secret.
type rotated struct {
	Key      keyRef         `json:"key"`
	OK       bool           `json:"ok"`
	Outcome  string         `json:"outcome"`
	Since    time.Time      `json:"secret_created_at"` // of the secret that was current before
	Rotation *api.Rotation  `json:"rotation,omitempty"`
	Error    *cliutil.Error `json:"-"`
	Failure  *failure       `json:"error,omitempty"`
}

type keyRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// rotatedAll is what `keys rotate --all -o json` prints.
type rotatedAll struct {
	DryRun  bool      `json:"dry_run,omitempty"`
	Results []rotated `json:"results"`
}

// partly says how much of it was not done.
func partly(results []rotated) error {
	left := 0
	for _, r := range results {
		if !r.OK {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	return &cliutil.Error{
		Code: "partly-rotated", Exit: cliutil.ExitFailed, Message: fmt.Sprintf("%d of %d keys are not rotated", left, len(results)),
		Hint: "run the command again: it goes on with the same secrets, and does nothing twice",
	}
}

// sayAll prints what became of each key.
func sayAll(opts *RotateOptions, results []rotated) error {
	out := opts.Out
	if out.Structured() {
		return out.Object(rotatedAll{opts.DryRun, results})
	}
	if len(results) == 0 {
		out.Note("No key is to be rotated.")
		return nil
	}
	rows := make([][]string, len(results))
	for i, r := range results {
		if out.Quiet {
			if err := out.Line("%s", r.Key.ID); err != nil {
				return err
			}
			continue
		}
		said := ""
		if r.Error != nil {
			said = r.Error.Message
		}
		rows[i] = []string{r.Key.Name, r.Outcome, cliutil.Stamp(&r.Since), r.Key.ID, said}
	}
	if out.Quiet {
		return nil
	}
	return out.Table([]string{"NAME", "OUTCOME", "SECRET SINCE", "ID", "REASON"}, rows)
}
