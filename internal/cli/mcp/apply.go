package mcp

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/mcpprobe"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// applied is what `mcp connect --apply -o json` prints.
type applied struct {
	Key     api.Key       `json:"key"`
	MCP     api.MCPServer `json:"mcp"`
	DryRun  bool          `json:"dry_run,omitempty"`
	Tools   []string      `json:"tools,omitempty"` // that the server offered with the key
	Results []result      `json:"results"`
}

// result is one client's.
type result struct {
	mcpconnect.Step

	OK bool `json:"ok"`
}

func results(steps []mcpconnect.Step) []result {
	all := make([]result, len(steps))
	for i, s := range steps {
		all[i] = result{s, true}
	}
	return all
}

// previewRun shows what applyRun would change. It makes no key and changes no file.
func previewRun(ctx context.Context, opts *ConnectOptions, at site) error {
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	keys, err := existingKeys(ctx, opts, at)
	if err != nil {
		return err
	}
	req, err := request(opts, at, keys)
	if err != nil {
		return err
	}
	steps, err := connector.Preview(ctx, req)
	if err != nil {
		return failed(opts, at, keys, err)
	}
	if opts.Out.Structured() {
		return opts.Out.Object(applied{Key: keys.of(0).Key, MCP: at.server, DryRun: true, Results: results(steps)})
	}
	for _, s := range steps {
		warn(opts.Out, s)
		if s.Diff == "" {
			opts.Out.Note("%s: nothing would change in %s", s.Client, s.Path)
			continue
		}
		opts.Out.Note("%s: the key as %s", s.Client, s.Rung)
		if err := showDiff(opts.Out, s.Diff); err != nil {
			return err
		}
	}
	return nil
}

func applyRun(ctx context.Context, opts *ConnectOptions, at site) error {
	keys, err := takeKeys(ctx, opts, at)
	if err != nil {
		return err
	}
	return applyKeys(ctx, opts, at, keys)
}

// applyKeys writes the files and proves the connection. When anything fails the files are as they were, and keys that were
// made are withdrawn.
func applyKeys(ctx context.Context, opts *ConnectOptions, at site, keys taken) error {
	connector, err := opts.Connector()
	if err != nil {
		return keys.withdraw(ctx, opts, at, err)
	}
	req, err := request(opts, at, keys)
	if err != nil {
		return keys.withdraw(ctx, opts, at, err)
	}
	steps, change, err := connector.Connect(ctx, req)
	if err != nil {
		return keys.withdraw(ctx, opts, at, failed(opts, at, keys, err))
	}
	tools, err := prove(ctx, opts, at, keys, steps)
	if err == nil {
		err = proveHelpers(ctx, connector, req, steps)
	}
	if err != nil {
		if undoErr := connector.TakeBack(context.WithoutCancel(ctx), change); undoErr != nil {
			opts.Out.Note("The change could not be taken back: %v", failure(undoErr))
		}
		return keys.withdraw(ctx, opts, at, err)
	}
	keys.tell(opts.Out)
	if opts.Out.Structured() {
		return opts.Out.Object(applied{Key: keys.of(0).Key, MCP: at.server, Tools: tools, Results: results(steps)})
	}
	return report(opts, at, steps, tools)
}

// request is what the connector is asked for.
func request(opts *ConnectOptions, at site, keys taken) (mcpconnect.Request, error) {
	req := mcpconnect.Request{
		Scope: opts.Scope, Name: at.server.Name, URL: at.server.URL, Named: at.named, Rung: opts.Rung, EnvVar: opts.EnvVar,
	}
	for i, c := range opts.Clients {
		key := keys.of(i)
		want := mcpconnect.Want{Client: c, Key: mcpconnect.Key{ID: key.Key.ID, Name: key.Key.Name, Secret: key.Secret, Minted: key.Minted}}
		var err error
		if want.Helper, want.Proxy, err = opts.Ways(at.session, key.Key.ID); err != nil {
			return req, err
		}
		req.Wants = append(req.Wants, want)
	}
	return req, nil
}

// prove does each key's handshake, and meanwhile puts the secret where the helper finds it.
func prove(ctx context.Context, opts *ConnectOptions, at site, keys taken, steps []mcpconnect.Step) (tools []string, err error) {
	for i, key := range keys {
		kept := make(chan error, 1)
		if keys.helped(i, steps) {
			go func() { kept <- opts.Keep(ctx, at.session, key) }()
		} else {
			kept <- nil
		}
		found, err := handshake(ctx, at.server.URL, key.Secret)
		if err := cmp.Or(<-kept, err); err != nil {
			return nil, err
		}
		tools = found
	}
	return tools, nil
}

// helped says that a client gets the key from this program.
func (t taken) helped(key int, steps []mcpconnect.Step) bool {
	for i, step := range steps {
		if (len(t) == 1 || i == key) && (step.Rung == mcpclient.RungHelper || step.Rung == mcpclient.RungProxy) {
			return true
		}
	}
	return false
}

// proveHelpers runs the helper of each client that leaves it less than this program's environment.
func proveHelpers(ctx context.Context, connector mcpconnect.Connector, req mcpconnect.Request, steps []mcpconnect.Step) error {
	for i, step := range steps {
		client := req.Wants[i].Client
		left := client.Engine().HelperEnv
		if step.Rung != mcpclient.RungHelper || len(left) == 0 {
			continue
		}
		if _, err := askHelper(ctx, connector, client, req.Wants[i].Helper); err != nil {
			return &cliutil.Error{
				Code: "not-connected", Exit: cliutil.ExitFailed, Err: err,
				Message: client.Title + " leaves its header helper " + strings.Join(left, ", ") + " of the environment, and without the rest it finds no key: " + err.Error(),
				Hint:    "the files are as they were; connect with --literal, or keep configuration and session where they are found without a variable",
			}
		}
	}
	return nil
}

// handshake is that of an MCP client.
func handshake(ctx context.Context, url string, s secret.Secret) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := mcpprobe.Probe(ctx, mcpprobe.Request{URL: url, Secret: s, Client: "keyfob", Version: build.Version()})
	if err != nil {
		return nil, &cliutil.Error{
			Code: "not-connected", Exit: cliutil.ExitUnreachable, Message: "the MCP server at " + cliutil.Printable(url) + " could not be reached with the key: " + err.Error(),
			Hint: "the files are as they were; mend the server, then run the command again", Err: err,
		}
	}
	return got.Tools, nil
}

// failed says what a person can do where no program can: a client without a file.
func failed(opts *ConnectOptions, at site, keys taken, err error) error {
	known := cliutil.Describe(failure(err))
	if known.Exit != cliutil.ExitManual || len(opts.Clients) != 1 {
		return known
	}
	setup, setupErr := opts.Clients[0].Setup(mcpclient.Params{Name: at.server.Name, URL: at.server.URL, Secret: keys.of(0).Secret, Shell: opts.Shell})
	if setupErr != nil || opts.Out.Structured() || opts.DryRun {
		return known
	}
	if err := PrintSetup(opts.Out, setup); err != nil {
		return err
	}
	known.Message = opts.Clients[0].Title + " has no file that could be written: a person has to take the steps above"
	known.Hint = ""
	return known
}

func report(opts *ConnectOptions, at site, steps []mcpconnect.Step, tools []string) error {
	rows := make([][]string, len(steps))
	for i, s := range steps {
		warn(opts.Out, s)
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(s.Path)); err != nil {
				return err
			}
		}
		rows[i] = []string{s.Client, s.Outcome, string(s.Rung), s.Name, s.Path}
	}
	if opts.Out.Quiet {
		return nil
	}
	if err := opts.Out.Table([]string{"CLIENT", "OUTCOME", "KEY AS", "SERVER", "FILE"}, rows); err != nil {
		return err
	}
	undo := " `keyfob mcp undo` takes the change back."
	if !slices.ContainsFunc(steps, func(s mcpconnect.Step) bool { return s.Outcome != mcpconnect.Unchanged }) {
		undo = "" // it would take back an earlier one
	}
	opts.Out.Note("%s answers the key with %d tools.%s", cliutil.Printable(at.server.URL), len(tools), undo)
	for _, s := range steps {
		if s.After != "" && s.Outcome != mcpconnect.Unchanged {
			opts.Out.Note("%s: %s", s.Client, s.After)
		}
	}
	return nil
}

func warn(out *cliutil.Output, s mcpconnect.Step) {
	for _, w := range s.Warnings {
		out.Note("warning: %s: %s", s.Client, cliutil.Printable(w))
	}
}

func showDiff(out *cliutil.Output, diff string) error {
	for line := range strings.Lines(diff) {
		if err := out.Line("%s", cliutil.Printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}
