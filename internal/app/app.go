// Package app runs a command tree as a process: signals in, an exit code out, and one printer for every error.
//
// It must not know any single command, nor the service's side: cmd/keyfob and cmd/keyfobd hand it their trees.
package app

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// Main runs the tree that newRoot builds with the arguments (without the program's name) and returns the exit code.
// The first SIGINT or SIGTERM cancels the context; a second one ends the process at once.
func Main(newRoot func(*cliutil.Factory) *cobra.Command, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return int(Run(ctx, cliutil.SystemFactory(), newRoot, args))
}

// Run is Main without the process: its factory may be a test's.
func Run(ctx context.Context, f *cliutil.Factory, newRoot func(*cliutil.Factory) *cobra.Command, args []string) cliutil.Exit {
	root := newRoot(f)
	root.SetArgs(args)
	root.SetIn(f.IO.In)
	help := bufio.NewWriter(f.IO.Out) // cobra and Help drop what a write says; the buffer keeps it
	root.SetOut(help)
	root.SetErr(f.IO.ErrOut)
	err := root.ExecuteContext(ctx)
	err = cmp.Or(err, help.Flush())
	if err == nil {
		return cliutil.ExitOK
	}
	if errors.Is(ctx.Err(), context.Canceled) && !isTyped(err) {
		err = cliutil.ErrCancelled
	}
	failure := cliutil.Describe(err)
	printError(f, root, args, failure)
	return failure.Exit
}

// isTyped says that a command chose its own way to report what a cancellation interrupted.
func isTyped(err error) bool {
	var typed *cliutil.Error
	return errors.As(err, &typed)
}
