package mcp

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// DisconnectOptions is all that disconnectRun needs.
type DisconnectOptions struct {
	Session   func(context.Context) (*cliutil.Session, error)
	Connector func() (mcpconnect.Connector, error)
	// Forget removes the secret of a key that was kept for the helper.
	Forget func(ctx context.Context, keyID string) error
	Out    *cliutil.Output

	Clients   []mcpclient.Client
	RetireKey bool
	DryRun    bool
}

// NewCmdDisconnect returns "keyfob mcp disconnect". runF replaces disconnectRun in tests.
func NewCmdDisconnect(f *cliutil.Factory, runF func(context.Context, *DisconnectOptions) error) *cobra.Command {
	opts := &DisconnectOptions{
		Session: f.Session, Forget: forget(f), Connector: func() (mcpconnect.Connector, error) { return NewConnector(f) },
	}
	var clients clientFlag
	cmd := &cobra.Command{
		Use:   "disconnect --client CLIENT",
		Short: "Take the server out of AI clients again",
		Long: `Take the server's entries out of the files of AI clients: those that "mcp connect --apply" wrote, and those that hold a key
of Keyfob or run it. Every other byte stays, so a file that only connect has changed is again what it was.`,
		Example: `$ keyfob mcp disconnect --client cursor
$ keyfob mcp disconnect --client all --dry-run
$ keyfob mcp disconnect --client codex --retire-key`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if len(clients.ids) == 0 {
				e := cliutil.UsageError("--client is required")
				e.Hint = "name a client, or all; `keyfob mcp status` says which are connected"
				return e
			}
			if opts.Clients, err = clients.named(); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, disconnectRun)
		},
	}
	clients.add(cmd, "the AI `CLIENT`, or all; may be repeated")
	cmd.Flags().BoolVar(&opts.RetireKey, "retire-key", false, "delete keys that were made for these clients alone")
	cmd.Flags().BoolVar(&opts.DryRun, "dry-run", false, "show what would change, and change nothing")
	return cmd
}

// disconnected is what `mcp disconnect -o json` prints.
type disconnected struct {
	DryRun  bool     `json:"dry_run,omitempty"`
	Retired []string `json:"retired_keys,omitempty"` // ids
	Results []result `json:"results"`
}

func disconnectRun(ctx context.Context, opts *DisconnectOptions) error {
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	var at cliutil.OrgClient
	if opts.RetireKey && !opts.DryRun { // before anything is changed
		if at, err = cliutil.OpenOrg(ctx, opts.Session); err != nil {
			return err
		}
	}
	work := connector.Disconnect
	if opts.DryRun {
		work = connector.PreviewDisconnect
	}
	steps, err := work(ctx, opts.Clients)
	if err != nil {
		return failure(err)
	}
	if !opts.DryRun {
		forgetAll(ctx, opts, connector, steps)
	}
	doc := disconnected{DryRun: opts.DryRun, Results: results(steps)}
	if opts.RetireKey && !opts.DryRun {
		if doc.Retired, err = retire(ctx, opts.Out, at, steps); err != nil {
			return err
		}
	}
	if opts.Out.Structured() {
		return opts.Out.Object(doc)
	}
	return reportRemoval(opts, steps)
}

// forgetAll removes the secrets that were kept for helpers and that no client needs any more. One that stays is as safe as the
// session beside it.
func forgetAll(ctx context.Context, opts *DisconnectOptions, connector mcpconnect.Connector, steps []mcpconnect.Step) {
	for _, s := range steps {
		if s.KeyID == "" || s.Rung != mcpclient.RungHelper && s.Rung != mcpclient.RungProxy || connector.InUse(s.KeyID) {
			continue
		}
		if err := opts.Forget(ctx, s.KeyID); err != nil {
			opts.Out.Note("note: the secret that was kept for %s could not be removed: %v", s.Client, err)
		}
	}
}

func reportRemoval(opts *DisconnectOptions, steps []mcpconnect.Step) error {
	if len(steps) == 0 {
		opts.Out.Note("No entry was found: nothing is connected.")
		return nil
	}
	rows := make([][]string, len(steps))
	for i, s := range steps {
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(s.Path)); err != nil {
				return err
			}
		}
		if opts.DryRun && s.Diff != "" && !opts.Out.Quiet {
			if err := showDiff(opts.Out, s.Diff); err != nil {
				return err
			}
		}
		rows[i] = []string{s.Client, s.Outcome, s.Name, s.Path}
	}
	if opts.Out.Quiet || opts.DryRun {
		return nil
	}
	return opts.Out.Table([]string{"CLIENT", "OUTCOME", "SERVER", "FILE"}, rows)
}

// retire deletes the keys that were made for the clients. They are cut off already, so that a key was used lately does not
// matter.
func retire(ctx context.Context, out *cliutil.Output, at cliutil.OrgClient, steps []mcpconnect.Step) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var gone []string
	for _, s := range steps {
		if !s.Minted() || s.KeyID == "" {
			continue
		}
		err := at.DeleteKey(ctx, at.Org, s.KeyID, client.DeleteKeyOptions{AcknowledgeRecentUse: true})
		var answered *client.Error
		if errors.As(err, &answered) && answered.Code == api.CodeKeyNotFound {
			continue
		}
		if err != nil {
			out.Note("The entries are gone, but the key %s is not: delete it with keyfob keys delete %s", s.KeyID, s.KeyID)
			return gone, err
		}
		out.Note("Deleted the key %s, which was made for %s.", s.KeyID, s.Client)
		gone = append(gone, s.KeyID)
	}
	return gone, nil
}
