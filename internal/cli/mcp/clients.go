package mcp

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
)

// ClientsOptions is all that clientsRun needs.
type ClientsOptions struct {
	Where func() (mcpclient.Where, error)
	Out   *cliutil.Output

	Detected bool
}

// clientDoc is a client as `mcp clients -o json` shows it.
type clientDoc struct {
	ID       string           `json:"id"`
	Title    string           `json:"title"`
	Kind     mcpclient.Kind   `json:"kind"`
	Detected bool             `json:"detected"`
	How      string           `json:"detected_by,omitempty"`
	Files    []clientFile     `json:"files"`
	Rungs    []mcpclient.Rung `json:"rungs"`
	Link     string           `json:"link,omitempty"`
	Verifies bool             `json:"verifies"`
	Proven   string           `json:"proven,omitempty"` // versions whose own program connected, and the day
	Checked  string           `json:"checked"`
	Source   string           `json:"source"`
	Unsure   string           `json:"unsure,omitempty"`
	After    string           `json:"after,omitempty"`
}

type clientFile struct {
	Scope  mcpclient.Scope `json:"scope"`
	Path   string          `json:"path"`
	Format string          `json:"format"`
}

// NewCmdClients returns "keyfob mcp clients". runF replaces clientsRun in tests.
func NewCmdClients(f *cliutil.Factory, runF func(context.Context, *ClientsOptions) error) *cobra.Command {
	opts := &ClientsOptions{Where: func() (mcpclient.Where, error) { return Machine(f) }}
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "List the AI clients that can be connected",
		Long: `List the AI clients that can be connected: which of them are on this machine, whom their files serve, how they can get the
key (strongest first) and the day on which the facts were last checked. It reads no file and starts nothing.

  helper   a command that prints headers: the key stays in the keyring
  env      a reference to an environment variable
  proxy    a program that the client starts, keyfob mcp proxy
  literal  the key itself, in the client's file

Elsewhere than on a terminal the columns are id, title, what shows that it is there, scopes, rungs and day, separated by tabs.`,
		Example: `$ keyfob mcp clients
$ keyfob mcp clients --detected -q
$ keyfob mcp clients -o json | jq -r '.clients[] | select(.detected) | .files[].path'`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, clientsRun)
		},
	}
	cmd.Flags().BoolVar(&opts.Detected, "detected", false, "only clients that are on this machine")
	return cmd
}

// Machine is this machine as the paths of clients depend on it. The project is the current folder.
func Machine(f *cliutil.Factory) (mcpclient.Where, error) {
	dir, err := os.Getwd()
	if err != nil {
		return mcpclient.Where{}, err
	}
	return mcpclient.Where{
		GOOS: f.GOOS, Env: f.Env, Dir: dir, LookPath: exec.LookPath,
		Exists: func(path string) bool {
			_, err := os.Stat(path)
			return err == nil
		},
	}, nil
}

func clientsRun(_ context.Context, opts *ClientsOptions) error {
	where, err := opts.Where()
	if err != nil {
		return err
	}
	docs := []clientDoc{}
	for _, c := range mcpclient.Clients() {
		if doc := describe(c, where); doc.Detected || !opts.Detected {
			docs = append(docs, doc)
		}
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"clients": docs})
	}
	return printClients(opts.Out, docs)
}

func describe(c mcpclient.Client, w mcpclient.Where) clientDoc {
	how, found := c.Detect(w)
	doc := clientDoc{
		ID: c.ID, Title: c.Title, Kind: c.Kind, Detected: found, How: how, Files: []clientFile{}, Rungs: []mcpclient.Rung{}, Link: c.Link,
		Verifies: c.Engine().Check != nil, Proven: c.Facts.Proven, Checked: c.Facts.Checked, Source: c.Facts.Source, Unsure: c.Facts.Unsure, After: c.After(),
	}
	doc.Rungs = append(doc.Rungs, c.Rungs(mcpclient.ScopeUser)...)
	for _, scope := range mcpclient.Scopes() {
		for _, t := range c.Targets(w, scope) {
			doc.Files = append(doc.Files, clientFile{Scope: t.Scope, Path: t.Path, Format: string(t.Format)})
		}
	}
	return doc
}

func printClients(out *cliutil.Output, docs []clientDoc) error {
	var rows [][]string
	for _, d := range docs {
		if out.Quiet {
			if err := out.Line("%s", d.ID); err != nil {
				return err
			}
			continue
		}
		var scopes []string
		for _, f := range d.Files {
			if n := len(scopes); n == 0 || scopes[n-1] != string(f.Scope) {
				scopes = append(scopes, string(f.Scope))
			}
		}
		rows = append(rows, []string{d.ID, d.Title, d.How, strings.Join(scopes, ", "), joinRungs(d.Rungs), d.Checked})
	}
	switch {
	case out.Quiet:
		return nil
	case len(docs) == 0:
		out.Note("None of the clients is on this machine. All of them: keyfob mcp clients")
		return nil
	}
	return out.Table([]string{"ID", "NAME", "DETECTED", "SCOPES", "RUNGS", "CHECKED"}, rows)
}

func joinRungs(rungs []mcpclient.Rung) string {
	var words []string
	for _, r := range rungs {
		words = append(words, string(r))
	}
	return strings.Join(words, ", ")
}
