package keys

import (
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
)

// completeKeys completes any number of keys that have the status; empty: any.
func completeKeys(f *cliutil.Factory, status api.KeyStatus) cobra.CompletionFunc {
	if status == "" {
		return completion.Keys(f)
	}
	return completion.Keys(f, status)
}

// completeKey completes the one key that a command takes.
func completeKey(f *cliutil.Factory) cobra.CompletionFunc { return completion.Key(f) }
