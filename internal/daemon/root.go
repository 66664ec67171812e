package daemon

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
)

// NewRoot returns keyfobd's command tree.
func NewRoot(f *cliutil.Factory) *cobra.Command {
	root := &cobra.Command{
		Use:     "keyfobd",
		Short:   "Keyfob's service: API keys of organisations, and the hosted MCP server they open",
		Example: "$ keyfobd serve\n$ keyfobd serve --listen 127.0.0.1:8080 --public-url https://keys.example.com",
	}
	cliutil.Root(f, root, config.OptOutput)
	cliutil.Group(root, newCmdServe(f, nil), newCmdBootstrap(f, nil), newCmdSetupLink(f, nil), newCmdReady(f, nil))
	cliutil.Group(root, newCmdBackup(f, nil), newCmdRestore(f, nil), newCmdDoctor(f, nil))
	cliutil.Group(root, newCmdRotateMasterKey(f, nil), newCmdRotatePepper(f, nil))
	cliutil.Group(root, newCmdMigrateStore(f, nil), newCmdStatus(f, nil))
	root.Version = build.Version()
	return root
}

func newCmdServe(f *cliutil.Factory, runF func(context.Context, *ServeOptions) error) *cobra.Command {
	opts := &ServeOptions{Version: build.Version(), In: f.IO.In, Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve until Ctrl-C",
		Long: `Serve until Ctrl-C.

The data directory holds the database and, beside it, the master key and the pepper that open it; it is made on the
first start, for its owner alone. Once the service listens it says so in one line on stdout; its log goes to stderr.

Options come from flags, else from environment variables (KEYFOBD_LISTEN for --listen), else from the file that --config names
(listen for --listen, mcp_name for --mcp-name). Secrets are never among them: they lie in files, whose paths are given.`,
		Example: `$ keyfobd serve
$ keyfobd serve --listen 127.0.0.1:8080 --public-url https://keys.example.com
$ keyfobd serve --data-dir /var/lib/keyfob --mcp-name acme
$ keyfobd serve --config /etc/keyfob/keyfobd.yaml --print-config
$ keyfobd serve --public-url https://keys.example.com --oidc-issuer https://login.example.com --oidc-client-id keyfob`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := f.Output()
			if err != nil {
				return err
			}
			opts.JSON = out.Structured()
			if opts.Origins, err = resolve(opts, cmd.Flags(), f.Env); err != nil {
				return err
			}
			if opts.PrintConfig { // in the form of a config file, which is YAML anyway
				opts.JSON = out.Format == cliutil.FormatJSON
			}
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, serveRun)
		},
	}
	addFlags(cmd.Flags(), settings(opts))
	return cmd
}

func newCmdBootstrap(f *cliutil.Factory, runF func(context.Context, *BootstrapOptions) error) *cobra.Command {
	opts := &BootstrapOptions{Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: time.Now}
	cmd := &cobra.Command{
		Use:   "bootstrap --org SLUG",
		Short: "Make an organisation and its owner, and print a session for them",
		Long: `Make an organisation and its owner, unless they are there already, and print a session for the owner as JSON.

The session opens everything in the organisation, so it is only written to a pipe or a file, never to a terminal.`,
		Example: `$ keyfobd bootstrap --org acme --user ada | jq -r .session | keyfob auth login --with-token --url http://127.0.0.1:7420`,
		Args:    cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if f.IO.OutTTY {
				e := cliutil.UsageError("bootstrap prints a session, which does not belong on a terminal")
				e.Hint = "pipe it: keyfobd bootstrap … | jq -r .session | keyfob auth login --with-token --url URL"
				return e
			}
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			if opts.OrgName == "" {
				opts.OrgName = opts.OrgSlug
			}
			return cliutil.Run(cmd.Context(), opts, runF, bootstrapRun)
		},
	}
	flags := cmd.Flags()
	dataDirFlag(flags, &opts.DataDir)
	databaseFlag(flags, &opts.Database)
	flags.StringVar(&opts.OrgSlug, "org", "", "`SLUG` of the organisation")
	flags.StringVar(&opts.OrgName, "org-name", "", "its `NAME` for people (default: the slug)")
	flags.StringVar(&opts.UserName, "user", "owner", "`NAME` of the owner")
	flags.StringVar(&opts.Email, "email", "", "the owner's e-mail `ADDRESS`, by which an OpenID sign-in or a set-up link finds them")
	return cmd
}

func newCmdSetupLink(f *cliutil.Factory, runF func(context.Context, *SetupLinkOptions) error) *cobra.Command {
	opts := &SetupLinkOptions{Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "setup-link --email ADDRESS",
		Short: "Print a link by which an account sets a new password",
		Long: `Print a link by which an account sets a new password: it works once, for a day, and ends all sessions of the account. Hand it
to its holder alone.`,
		Example: `$ keyfobd setup-link --email ada@example.com
$ keyfobd setup-link --email ada@example.com --public-url https://keys.example.com`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, setupLinkRun)
		},
	}
	flags := cmd.Flags()
	dataDirFlag(flags, &opts.DataDir)
	databaseFlag(flags, &opts.Database)
	flags.StringVar(&opts.Email, "email", "", "the account's e-mail `ADDRESS`")
	flags.StringVar(&opts.PublicURL, "public-url", "", "the service's `URL` as clients reach it (default: that of the running service)")
	return cmd
}

func newCmdMigrateStore(f *cliutil.Factory, runF func(context.Context, *MigrateStoreOptions) error) *cobra.Command {
	opts := &MigrateStoreOptions{}
	cmd := &cobra.Command{
		Use:   "migrate-store --database URL",
		Short: "Copy the data of a stopped service into an empty PostgreSQL database",
		Long: `Copy the data of a stopped service into an empty PostgreSQL database.

Everything is copied in one transaction, and every column of every row compared, before anything is kept: where that fails or is
stopped, the database is as empty as it was, and the command can be run again. The data directory stays as it is; the service then
needs master.key and pepper.key of it, and --database.`,
		Example: `$ keyfobd migrate-store --data-dir /var/lib/keyfob --database postgres://keyfob@db.example.com/keyfob
$ keyfobd serve --data-dir /var/lib/keyfob --database postgres://keyfob@db.example.com/keyfob`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Output, err = f.Output(); err != nil {
				return err
			}
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, migrateStoreRun)
		},
	}
	flags := cmd.Flags()
	dataDirFlag(flags, &opts.DataDir)
	flags.StringVar(&opts.Database, "database", "", "`URL` of the PostgreSQL database")
	return cmd
}

func newCmdStatus(f *cliutil.Factory, runF func(context.Context, *StatusOptions) error) *cobra.Command {
	opts := &StatusOptions{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the database and the replicas that share it",
		Long: `Show the database and the replicas that share it: how many changes each is behind, and when it renewed its lease.

A replica that has not renewed its lease for a second answers no check. The exit code is 1 if there is one, or one that does not catch
up within a second. Nothing is written.`,
		Example: `$ keyfobd status --database postgres://keyfob@db.example.com/keyfob
$ keyfobd status --database postgres://keyfob@db.example.com/keyfob -o json | jq '.replicas[] | select(.state != "serving")'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Output, err = f.Output(); err != nil {
				return err
			}
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, statusRun)
		},
	}
	flags := cmd.Flags()
	dataDirFlag(flags, &opts.DataDir)
	databaseFlag(flags, &opts.Database)
	return cmd
}

const dataDirUsage = "`FOLDER` of the data (default $XDG_DATA_HOME/keyfob)"

func dataDirFlag(flags *pflag.FlagSet, into *string) {
	flags.StringVar(into, "data-dir", "", dataDirUsage)
}

func chooseDataDir(f *cliutil.Factory, flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if dir := f.Env("KEYFOBD_DATA_DIR"); dir != "" { // so that commands beside a service find its data
		return dir, nil
	}
	return config.DataDir(f.Env, f.GOOS)
}
