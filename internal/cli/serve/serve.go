// Package serve is "keyfob serve": keyfobd under the name that users know. It must not know the service's options.
package serve

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/localservice"
)

// Options is all that serveRun needs.
type Options struct {
	Executable func() (string, error)
	Environ    func() []string
	Exec       func(ctx context.Context, program string, args, environ []string) error

	Args []string
}

// NewCmdServe returns "keyfob serve". runF replaces serveRun in tests.
func NewCmdServe(f *cliutil.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{Executable: f.Executable, Environ: f.Environ, Exec: localservice.Exec}
	return &cobra.Command{
		Use:   "serve [COMMAND] [FLAGS]",
		Short: "Run the service (keyfobd) with the same flags",
		Long: `Run the service. The flags are those of "keyfobd serve", which this command becomes.

A word instead of a flag is one of keyfobd's other commands: "keyfob serve backup FILE" is "keyfobd backup FILE". List them with
"keyfob serve help".`,
		Example: `$ keyfob serve
$ keyfob serve --listen 127.0.0.1:8080 --data-dir /var/lib/keyfob
$ keyfob serve backup /backup/keyfob.bak
$ keyfob serve --help`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Args = args
			return cliutil.Run(cmd.Context(), opts, runF, serveRun)
		},
	}
}

func serveRun(ctx context.Context, opts *Options) error {
	program, err := localservice.Program(opts.Executable)
	if err != nil {
		return err
	}
	args := opts.Args
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		args = append([]string{"serve"}, args...)
	}
	return opts.Exec(ctx, program, args, opts.Environ())
}
