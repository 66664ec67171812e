// Package quickstart is "keyfob quickstart": from nothing to a running service, a key and proven setups in one command.
// It must not know the service's insides: it starts keyfobd and talks to it as any client does.
package quickstart

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cli/mcp"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/localservice"
	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// The local service's context, organisation and first port.
const (
	contextName = "local"
	orgSlug     = "local"
	firstPort   = 7420
	portTries   = 20
)

// Options is all that quickstartRun needs.
type Options struct {
	IO         *cliutil.IOStreams
	Out        *cliutil.Output
	Env        func(string) string
	Now        func() time.Time
	Executable func() (string, error)
	Environ    func() []string
	NewClient  func(url string, token secret.Secret) (*client.Client, error)
	Config     *config.Config

	DataDir string
	Shell   shellquote.Shell
	Once    bool
}

// NewCmdQuickstart returns "keyfob quickstart". runF replaces quickstartRun in tests.
func NewCmdQuickstart(f *cliutil.Factory, runF func(context.Context, *Options) error) *cobra.Command {
	opts := &Options{IO: f.IO, Env: f.Env, Now: f.Now, Executable: f.Executable, Environ: f.Environ, NewClient: f.NewClient}
	var shell string
	cmd := &cobra.Command{
		Use:   "quickstart",
		Short: "A local service, an organisation, a key and the setups, proven, in one go",
		Long: `Start the service on this machine, sign in to it as the context "local", find or make a key, prove it with a first
request and an MCP handshake, and print what connects your AI client. The service runs until Ctrl-C.

A second run uses the same data, session and key.`,
		Example: `$ keyfob quickstart
$ keyfob quickstart --once -o json | jq -r '.setups[] | select(.client == "claude-code") | .text'
$ keyfob quickstart --data-dir ./data`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Shell, err = mcp.ChooseShell(f, shell); err != nil {
				return err
			}
			if opts.Out, err = f.Output(); err != nil {
				return err
			}
			if opts.Config, err = f.Config(); err != nil {
				return err
			}
			if opts.DataDir == "" {
				if opts.DataDir, err = config.DataDir(f.Env, f.GOOS); err != nil {
					return err
				}
			}
			return cliutil.Run(cmd.Context(), opts, runF, quickstartRun)
		},
	}
	cmd.Flags().StringVar(&opts.DataDir, "data-dir", "", "`FOLDER` of the service's data (default $XDG_DATA_HOME/keyfob)")
	cmd.Flags().StringVar(&shell, "shell", "", mcp.ShellUsage())
	cmd.Flags().BoolVar(&opts.Once, "once", false, "stop the service after printing")
	return cmd
}

func quickstartRun(ctx context.Context, opts *Options) (err error) {
	program, err := localservice.Program(opts.Executable)
	if err != nil {
		return err
	}
	if opts.DataDir, err = filepath.Abs(opts.DataDir); err != nil {
		return err
	}
	launcher := localservice.Launcher{Program: program, Environ: opts.Environ(), DataDir: opts.DataDir, Log: debugLog(opts)}
	service, err := openService(ctx, launcher)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := service.stop(); err == nil {
			err = stopErr
		}
	}()
	report, err := prepare(ctx, opts, launcher, service.Info)
	if err != nil {
		return err
	}
	if err := printReport(opts, report); err != nil {
		return err
	}
	if failed := report.failedCheck(); failed != nil {
		return failed
	}
	if opts.Once {
		return nil
	}
	return service.wait(ctx, opts)
}

// debugLog is where the service's log goes.
func debugLog(opts *Options) io.Writer {
	if opts.Config.Bool(config.OptDebug) {
		return opts.IO.ErrOut
	}
	return nil
}
