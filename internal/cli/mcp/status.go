package mcp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/pkg/api"
)

// StatusOptions is all that statusRun needs.
type StatusOptions struct {
	Session   func(context.Context) (*cliutil.Session, error)
	Connector func() (mcpconnect.Connector, error)
	Env       func(string) string
	Now       func() time.Time
	Short     func(path string) string
	Out       *cliutil.Output

	Clients []mcpclient.Client
	Offline bool
}

// standing is a connection as `mcp status -o json` prints it. The key is told by its hint, never by itself.
type standing struct {
	Client   string          `json:"client"`
	Path     string          `json:"path"`
	Line     int             `json:"line"`
	Scope    mcpclient.Scope `json:"scope"`
	Name     string          `json:"name"`
	URL      string          `json:"url"`
	Rung     mcpclient.Rung  `json:"rung"`
	Variable string          `json:"variable,omitempty"`
	KeyID    string          `json:"key_id,omitempty"`
	Key      *api.Key        `json:"key"` // null: unknown, or not asked for
	Drift    []string        `json:"drift"`
}

// NewCmdStatus returns "keyfob mcp status". runF replaces statusRun in tests.
func NewCmdStatus(f *cliutil.Factory, runF func(context.Context, *StatusOptions) error) *cobra.Command {
	opts := &StatusOptions{
		Session: f.Session, Env: f.Env, Now: f.Now, Short: func(path string) string { return short(f, path) },
		Connector: func() (mcpconnect.Connector, error) { return NewConnector(f) },
	}
	var clients clientFlag
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say which AI client holds which key, and what became of it",
		Long: `Say which AI clients are connected, in which file and how, with which key, when that was last used, and what is no longer
as it was set up: an entry that was edited by hand, the same server twice, a key that is disabled or gone, a secret that was
rotated away, a file with a key that others can read.

Every file is looked into that a known client may have. With --offline the service is not asked what it knows of the keys.`,
		Example: `$ keyfob mcp status
$ keyfob mcp status --client cursor --offline
$ keyfob mcp status -o json | jq '.connections[] | select(.drift != [])'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Clients, err = clients.namedOrAll(); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, statusRun)
		},
	}
	clients.add(cmd, "only this `CLIENT`; may be repeated")
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "ask no service")
	return cmd
}

func statusRun(ctx context.Context, opts *StatusOptions) error {
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	var at cliutil.OrgClient
	var urls []string
	if !opts.Offline {
		if at, err = cliutil.OpenOrg(ctx, opts.Session); err != nil {
			return err
		}
		server, err := at.MCP(ctx, at.Org)
		if err != nil {
			return err
		}
		urls = append(urls, server.URL)
	}
	found, troubles := connector.Scan(opts.Clients, urls...)
	all := make([]standing, 0, len(found))
	for _, s := range found {
		row := standing{
			Client: s.Client.ID, Path: s.Path, Line: s.Line, Scope: s.Scope, Name: s.Name, URL: s.URL, Rung: s.Rung,
			Variable: s.EnvVar, KeyID: s.KeyID, Drift: append([]string{}, s.Drift...),
		}
		if !opts.Offline {
			if err := identify(ctx, at, opts.Env, s, &row); err != nil {
				return err
			}
		}
		all = append(all, row)
	}
	if err := showStatus(opts, all); err != nil {
		return err
	}
	return troubled(opts.Out, troubles)
}

// identify asks the service for the key of a connection.
func identify(ctx context.Context, at cliutil.OrgClient, env func(string) string, s mcpconnect.Standing, row *standing) error {
	held := s.Key
	if held.IsZero() && s.EnvVar != "" {
		held = keyOf(env(s.EnvVar))
		if held.IsZero() {
			row.Drift = append(row.Drift, s.EnvVar+" is not set here")
		}
	}
	var key api.Key
	var err error
	switch {
	case s.KeyID != "":
		key, err = at.Key(ctx, at.Org, s.KeyID)
	case !held.IsZero():
		var known api.Lookup
		known, err = at.LookupKey(ctx, at.Org, held)
		key = known.Key
		if err == nil && known.Secret.State != api.SecretCurrent && known.Secret.State != api.SecretNext {
			row.Drift = append(row.Drift, "its secret is "+string(known.Secret.State))
		}
	default:
		return nil
	}
	if has(err, api.CodeKeyNotFound) {
		row.Drift = append(row.Drift, "the organisation has no such key (any more)")
		return nil
	}
	if err != nil {
		return err
	}
	row.Key, row.KeyID = &key, key.ID
	if key.Status != api.StatusEnabled {
		row.Drift = append(row.Drift, "the key is "+string(key.Status))
	}
	return nil
}

func showStatus(opts *StatusOptions, all []standing) error {
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"connections": all})
	}
	rows := make([][]string, len(all))
	for i, s := range all {
		key, used := s.KeyID, ""
		if s.Key != nil {
			key = s.Key.Name + " (" + s.Key.Hint + ")"
			used = cliutil.Stamp(s.Key.LastUsedAt)
			if opts.Out.IO.OutTTY {
				used = cliutil.Ago(opts.Now(), s.Key.LastUsedAt)
			}
		}
		path := s.Path
		if opts.Out.IO.OutTTY {
			path = opts.Short(path)
		}
		rows[i] = []string{s.Client, s.Name, path, string(s.Scope), string(s.Rung), key, used, strings.Join(s.Drift, "; ")}
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", s.Client); err != nil {
				return err
			}
		}
	}
	if opts.Out.Quiet {
		return nil
	}
	if len(rows) == 0 {
		opts.Out.Note("No AI client is connected. Connect one: keyfob mcp connect --client CLIENT --apply")
		return nil
	}
	return opts.Out.Table([]string{"CLIENT", "SERVER", "FILE", "SCOPE", "KEY AS", "KEY", "LAST USED", "DRIFT"}, rows)
}

// troubled says which files could not be looked into.
func troubled(out *cliutil.Output, troubles []mcpconnect.Trouble) error {
	if len(troubles) == 0 {
		return nil
	}
	for _, t := range troubles {
		out.Note("%s: %v", t.Client.ID, failure(t.Err))
	}
	return &cliutil.Error{
		Code: "partial-failure", Exit: cliutil.ExitFailed, Message: fmt.Sprintf("%d files could not be looked into", len(troubles)),
		Hint: "mend them; the others are shown",
	}
}
