package mcp

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/keyscan"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/userfile"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// AuditOptions is all that auditRun needs.
type AuditOptions struct {
	Session   func(context.Context) (*cliutil.Session, error)
	Connector func() (mcpconnect.Connector, error)
	Scanner   func() keyscan.Scanner
	Short     func(path string) string
	Out       *cliutil.Output

	Dir     string // absolute
	Offline bool
}

// The places where a secret is found.
const (
	inClient  = "client"
	inFile    = "file"
	inHistory = "history"
)

// leak is a secret that lies somewhere, as `mcp audit -o json` prints it: told by its hint.
type leak struct {
	Where   string          `json:"where"`
	Client  string          `json:"client,omitempty"`
	Path    string          `json:"path"`
	Line    int             `json:"line,omitempty"`
	Commit  string          `json:"commit,omitempty"`
	Tracked bool            `json:"tracked"` // by git
	Ignored bool            `json:"ignored"` // by git: there a secret may lie
	Hint    string          `json:"hint"`
	KeyID   string          `json:"key_id,omitempty"`
	Key     string          `json:"key,omitempty"` // its name
	Status  api.KeyStatus   `json:"status,omitempty"`
	State   api.SecretState `json:"state,omitempty"`
	// Open says that the secret opens something, or that this is unknown.
	Open bool `json:"open"`

	secret secret.Secret
	kind   secret.Kind
}

// NewCmdAudit returns "keyfob mcp audit". runF replaces auditRun in tests.
func NewCmdAudit(f *cliutil.Factory, runF func(context.Context, *AuditOptions) error) *cobra.Command {
	opts := &AuditOptions{
		Session: f.Session, Short: func(path string) string { return short(f, path) },
		Connector: func() (mcpconnect.Connector, error) { return NewConnector(f) },
		Scanner:   func() keyscan.Scanner { return keyscan.Scanner{Environ: childEnviron(f)} },
	}
	cmd := &cobra.Command{
		Use:   "audit [DIR]",
		Short: "Find keys that lie about: in client files, a folder, a repository and its history",
		Long: `Find keys that lie about: in the files of every known AI client, and in a folder (by default this one), with the history of
its git repository. What is found is known by its prefix and checksum, so that nothing else is taken for a key, and the service
says which key it is and whether it still opens anything. No secret is shown.

A key in a client's file, or in one that git ignores, is where it belongs. One anywhere else that still opens something ends with
exit code 1: rotate or delete it, since taking it out of a file does not take it out of the history.`,
		Example: `$ keyfob mcp audit
$ keyfob mcp audit --offline || echo "a secret lies about"
$ keyfob mcp audit ~/src/app -o json | jq '.findings[] | select(.open)'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if opts.Dir, err = filepath.Abs(dir); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, auditRun)
		},
	}
	cmd.Flags().BoolVar(&opts.Offline, "offline", false, "ask no service what the keys are")
	return cmd
}

func auditRun(ctx context.Context, opts *AuditOptions) error {
	var at cliutil.OrgClient
	var err error
	if !opts.Offline {
		if at, err = cliutil.OpenOrg(ctx, opts.Session); err != nil {
			return err
		}
	}
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	found := inClients(connector)
	add := func(where string) func(keyscan.Finding) error {
		return func(f keyscan.Finding) error {
			found = append(found, leak{
				Where: where, Path: f.Path, Line: f.Line, Commit: f.Commit, Tracked: f.Tracked, Ignored: f.Ignored, Hint: f.Secret.String(), secret: f.Secret, kind: f.Kind,
			})
			return nil
		}
	}
	scanner := opts.Scanner()
	if _, err := scanner.Tree(ctx, opts.Dir, add(inFile)); err != nil {
		return scanFailed(err, opts.Dir)
	}
	if _, err := scanner.History(ctx, opts.Dir, add(inHistory)); err != nil && !errors.Is(err, keyscan.ErrNotRepository) {
		return scanFailed(err, opts.Dir)
	}
	if err := name(ctx, opts, at, found); err != nil {
		return err
	}
	if err := showAudit(opts, found); err != nil {
		return err
	}
	offerRewiring(opts, found)
	return verdict(found)
}

// offerRewiring names the clients whose files hold a key although they can do without.
func offerRewiring(opts *AuditOptions, found []leak) {
	var ids []string
	for _, l := range found {
		c, ok := mcpclient.Lookup(l.Client)
		if !ok || l.kind != secret.Key || slices.Contains(ids, l.Client) {
			continue
		}
		if ladder := c.Ladder(mcpclient.ScopeUser); len(ladder) > 0 && ladder[0] != mcpclient.RungLiteral {
			ids = append(ids, l.Client)
		}
	}
	if len(ids) > 0 {
		opts.Out.Note("These clients can do without the key in their files: keyfob mcp connect --apply --client %s", strings.Join(ids, " --client "))
	}
}

// inClients finds the keys in the files of the clients, whatever entry they stand in.
func inClients(connector mcpconnect.Connector) []leak {
	var found []leak
	seen := map[string]bool{}
	for _, c := range mcpclient.Clients() {
		for _, target := range c.Known(connector.Where) {
			if seen[target.Path] || !connector.Where.Exists(target.Path) {
				continue
			}
			seen[target.Path] = true
			file, err := userfile.Read(target.Path)
			if err != nil {
				continue // `mcp status` says so
			}
			for _, hit := range keyscan.Text(file.Data) {
				found = append(found, leak{
					Where: inClient, Client: c.ID, Path: target.Path, Line: hit.Line, Hint: hit.Secret.String(), secret: hit.Secret, kind: hit.Kind,
				})
			}
		}
	}
	return found
}

func scanFailed(err error, dir string) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &cliutil.Error{
		Code: "scan-failed", Exit: cliutil.ExitFailed, Message: cliutil.Printable(dir) + " can't be searched: " + err.Error(),
		Hint: "name another folder; nothing is known of this one", Err: err,
	}
}

// name asks the service for each secret once.
func name(ctx context.Context, opts *AuditOptions, at cliutil.OrgClient, found []leak) error {
	known := map[secret.Secret]api.Lookup{}
	for i := range found {
		l := &found[i]
		l.Open = true
		if opts.Offline || l.kind != secret.Key {
			continue
		}
		answer, asked := known[l.secret]
		if !asked {
			var err error
			answer, err = at.LookupKey(ctx, at.Org, l.secret)
			if err != nil && !has(err, api.CodeKeyNotFound) {
				return err
			}
			known[l.secret] = answer
		}
		l.KeyID, l.Key, l.Status, l.State = answer.Key.ID, answer.Key.Name, answer.Key.Status, answer.Secret.State
		// A key of another organisation, or of another service, may open something there.
		l.Open = l.KeyID == "" || l.Status == api.StatusEnabled && (l.State == api.SecretCurrent || l.State == api.SecretNext || l.State == api.SecretRetiring)
	}
	return nil
}

func showAudit(opts *AuditOptions, found []leak) error {
	if opts.Out.Structured() {
		if found == nil {
			found = []leak{}
		}
		return opts.Out.Object(map[string]any{"findings": found})
	}
	rows := make([][]string, len(found))
	for i, l := range found {
		rows[i] = l.row(opts)
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(rows[i][1])); err != nil {
				return err
			}
		}
	}
	switch {
	case opts.Out.Quiet:
		return nil
	case len(rows) == 0:
		opts.Out.Note("No key was found.")
		return nil
	}
	return opts.Out.Table([]string{"WHERE", "PLACE", "COMMIT", "SECRET", "KEY", "STATE"}, rows)
}

func (l leak) row(opts *AuditOptions) []string {
	place := l.Path
	if l.Where == inClient && opts.Out.IO.OutTTY {
		place = opts.Short(place)
	}
	if l.Line > 0 {
		place += ":" + strconv.Itoa(l.Line)
	}
	what := l.Key
	switch {
	case l.kind != secret.Key:
		what = "a session"
	case l.Key == "" && !opts.Offline:
		what = "of no key of the organisation"
	}
	state := string(l.State)
	if l.Status != "" && l.Status != api.StatusEnabled {
		state = string(l.Status)
	}
	return []string{l.Where, place, l.Commit, l.Hint, what, state}
}

// verdict fails for secrets that lie where they must not, and says how to be rid of the first.
func verdict(found []leak) error {
	open := 0
	hint := ""
	for _, l := range found {
		if l.Where == inClient || l.Ignored || !l.Open {
			continue
		}
		open++
		if hint == "" && l.Key != "" {
			hint = "replace it: keyfob keys rotate " + cliutil.Word(l.Key) + ", and connect clients with `keyfob mcp connect --apply`, which needs no key in a file of the project"
		}
	}
	if open == 0 {
		return nil
	}
	if hint == "" {
		hint = "find out whose they are with `keyfob keys lookup`"
	}
	return &cliutil.Error{Code: "secrets-found", Exit: cliutil.ExitFailed, Message: fmt.Sprintf("%d secrets lie in files or in the history and may still open something", open), Hint: hint}
}
