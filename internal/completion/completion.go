// Package completion offers what only the service or this machine's files know when a user presses Tab: keys, tags,
// organisations, contexts.
//
// Pressing Tab never asks, never fails, never offers a file, and costs a second at most: a completer answers from a small
// cache, else from the service within a deadline, and remembers a failure, too. The cache holds no secret. The package must
// not know any single command.
package completion

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	// deadline bounds one press of Tab: credential, connection and all pages.
	deadline = time.Second
	// maxKeys is how many keys are fetched.
	maxKeys = 10_000
	// maxOffered is how many words go to the shell. The scripts of bash and zsh take seconds over thousands.
	maxOffered = 250

	directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
)

// Keys completes any number of key names and ids: those with one of the statuses, or all, and none that is given already.
func Keys(f *cliutil.Factory, statuses ...api.KeyStatus) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		found := ask(cmd.Context(), f, kindKeys)
		return offerKeys(found.keys, word, selecting(statuses, args), f.Now()), directive
	}
}

// Key completes the one key that a command takes.
func Key(f *cliutil.Factory) cobra.CompletionFunc { return First(Keys(f)) }

// First completes the first argument of a command, and no other.
func First(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, directive
		}
		return complete(cmd, nil, word)
	}
}

// Tags completes a flag that takes NAME=VALUE with the tags that the organisation's keys have.
func Tags(f *cliutil.Factory) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offerWords(ask(cmd.Context(), f, kindKeys).words, word), directive
	}
}

// Orgs completes the slugs of the user's organisations.
func Orgs(f *cliutil.Factory) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offerWords(ask(cmd.Context(), f, kindOrgs).words, word), directive
	}
}

// Members completes the e-mail addresses of an organisation's members and of those who are invited.
func Members(f *cliutil.Factory) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offerWords(ask(cmd.Context(), f, kindMembers).words, word), directive
	}
}

// TrustRules completes the names of an organisation's trust rules.
func TrustRules(f *cliutil.Factory) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offerWords(ask(cmd.Context(), f, kindTrust).words, word), directive
	}
}

// Contexts completes the names of the contexts on this machine.
func Contexts(f *cliutil.Factory) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		dir, err := config.Dir(f.Env, f.GOOS)
		if err != nil {
			return nil, directive
		}
		names, err := config.ContextNames(dir)
		if err != nil {
			return nil, directive
		}
		return offerWords(wordList(names), word), directive
	}
}

// Statuses completes the statuses of a key.
func Statuses() cobra.CompletionFunc { return fixed(api.KeyStatuses()) }

// Sorts completes the orders of a list of keys.
func Sorts() cobra.CompletionFunc { return fixed(api.KeySorts()) }

// Rates completes a rate limit by some of each unit.
func Rates() cobra.CompletionFunc {
	return fixed([]string{"10/s", "100/m", "1000/h", "10000/d", "none"})
}

func fixed[T ~string](values []T) cobra.CompletionFunc {
	var words []cobra.Completion
	for _, v := range values {
		words = append(words, string(v))
	}
	return cobra.FixedCompletions(words, directive)
}

// ask returns what the cache knows, else what the service answers in time; nothing when there is neither.
func ask(ctx context.Context, f *cliutil.Factory, kind kind) answer {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	at, err := locate(f, kind)
	if err != nil {
		return answer{}
	}
	now := f.Now()
	if found, ok := at.cache.read(now); ok {
		return found
	}
	found, err := fetch(ctx, f, at)
	if err != nil && ctx.Err() == nil && isLocal(err) {
		return answer{} // cheap to find out again, and mended by signing in
	}
	at.cache.write(found, now)
	return found
}
