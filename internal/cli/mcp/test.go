package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/pkg/secret"
)

// TestOptions is all that testRun needs.
type TestOptions struct {
	Connector func() (mcpconnect.Connector, error)
	Environ   func() []string
	Env       func(string) string
	Short     func(path string) string
	Out       *cliutil.Output

	Clients []mcpclient.Client
	Own     bool // our own handshake alone
}

// NewCmdTest returns "keyfob mcp test". runF replaces testRun in tests.
func NewCmdTest(f *cliutil.Factory, runF func(context.Context, *TestOptions) error) *cobra.Command {
	opts := &TestOptions{
		Env: f.Env, Environ: func() []string { return childEnviron(f) }, Short: func(path string) string { return short(f, path) },
		Connector: func() (mcpconnect.Connector, error) { return NewConnector(f) },
	}
	var clients clientFlag
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Prove that connected AI clients reach the server",
		Long: `Prove that connected AI clients reach the server: take the key just as the entry in the client's file says, do an MCP
handshake and list the tools, and then have the client's own program connect, where it has one that can be asked without a
login. Exit code 1 says that some of it failed.`,
		Example: `$ keyfob mcp test
$ keyfob mcp test --no-engine -q && echo connected
$ keyfob mcp test --client claude-code -o json`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.Clients, err = clients.namedOrAll(); err != nil {
				return err
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, testRun)
		},
	}
	clients.add(cmd, "only this `CLIENT`; may be repeated")
	cmd.Flags().BoolVar(&opts.Own, "no-engine", false, "do not run the clients' own programs")
	return cmd
}

// tested is what came of one connection.
type tested struct {
	Client string          `json:"client"`
	Path   string          `json:"path"`
	Name   string          `json:"name"`
	Rung   mcpclient.Rung  `json:"rung"`
	OK     bool            `json:"ok"`
	Tools  []string        `json:"tools"`
	MS     float64         `json:"ms"` // of the handshake
	Error  string          `json:"error,omitempty"`
	Scope  mcpclient.Scope `json:"scope"`
	// Engine is what the client's own program says: connected, failed, or none where there is none to ask.
	Engine string `json:"engine"`
}

// What a client's own program says.
const (
	engineConnected = "connected"
	engineFailed    = "failed"
	engineNone      = "none"
)

func testRun(ctx context.Context, opts *TestOptions) error {
	connector, err := opts.Connector()
	if err != nil {
		return err
	}
	found, troubles := connector.Scan(opts.Clients)
	all := make([]tested, 0, len(found))
	bad := 0
	for _, s := range found {
		t := testOne(ctx, opts, connector, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !t.OK {
			bad++
		}
		all = append(all, t)
	}
	if err := showTests(opts, all); err != nil {
		return err
	}
	if bad > 0 {
		return &cliutil.Error{
			Code: "not-connected", Exit: cliutil.ExitFailed, Message: fmt.Sprintf("%d of %d connections failed", bad, len(all)),
			Hint: "`keyfob mcp status` says what is wrong with the key; `keyfob mcp connect --client CLIENT --apply` sets a client up anew",
		}
	}
	return troubled(opts.Out, troubles)
}

func testOne(ctx context.Context, opts *TestOptions, connector mcpconnect.Connector, s mcpconnect.Standing) tested {
	t := tested{Client: s.Client.ID, Path: s.Path, Name: s.Name, Rung: s.Rung, Scope: s.Scope, Tools: []string{}, Engine: engineNone}
	begun := time.Now()
	tools, err := tryConnection(ctx, opts, connector, s)
	t.MS = float64(time.Since(begun).Microseconds()) / 1000
	if err != nil {
		t.Error = err.Error()
	} else {
		t.OK, t.Tools = true, tools
	}
	if opts.Own {
		return t
	}
	connected, err := connector.AskEngine(ctx, s.Client, s.Name, connector.Where.Dir, opts.Environ())
	switch {
	case errors.Is(err, mcpconnect.ErrNoEngine):
	case err == nil && connected:
		t.Engine = engineConnected
	default:
		t.Engine, t.OK = engineFailed, false
		if err != nil && t.Error == "" {
			t.Error = s.Client.Title + ": " + err.Error()
		}
	}
	return t
}

// tryConnection does what the entry has the client do.
func tryConnection(ctx context.Context, opts *TestOptions, connector mcpconnect.Connector, s mcpconnect.Standing) ([]string, error) {
	key := s.Key
	switch {
	case len(s.Proxy) > 0:
		return probeProxy(ctx, opts.Environ(), s.Proxy)
	case len(s.Helper) > 0:
		var err error
		if key, err = askHelper(ctx, connector, s.Client, s.Helper); err != nil {
			return nil, err
		}
	case key.IsZero() && s.EnvVar != "":
		if key = keyOf(opts.Env(s.EnvVar)); key.IsZero() {
			return nil, fmt.Errorf("%s holds no key here", s.EnvVar)
		}
	case key.IsZero():
		return nil, errors.New("the entry has no key")
	}
	return handshake(ctx, s.URL, key)
}

// askHelper runs a header helper as the client will.
func askHelper(ctx context.Context, connector mcpconnect.Connector, client mcpclient.Client, argv []string) (secret.Secret, error) {
	where := connector.Where
	out, err := connector.Output(ctx, where.Dir, client.Engine().HelperArgv(where.GOOS, where.Env, argv)...)
	if err != nil {
		return secret.Secret{}, fmt.Errorf("the header helper failed: %w", err)
	}
	return headerKey(out)
}

// headerKey reads what a header helper printed.
func headerKey(out []byte) (secret.Secret, error) {
	var headers map[string]string
	if json.Unmarshal(out, &headers) != nil {
		return secret.Secret{}, errors.New("the header helper printed no JSON object of headers")
	}
	key := keyOf(strings.TrimPrefix(headers["Authorization"], "Bearer "))
	if key.IsZero() {
		return key, errors.New("the header helper printed no key")
	}
	return key, nil
}

// keyOf is the key that a text is; zero: it is none.
func keyOf(text string) secret.Secret {
	key, err := secret.Parse(secret.Key, text)
	if err != nil {
		return secret.Secret{}
	}
	return key
}

func showTests(opts *TestOptions, all []tested) error {
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"results": all})
	}
	rows := make([][]string, len(all))
	for i, t := range all {
		outcome := fmt.Sprintf("%d tools, %.1f ms", len(t.Tools), t.MS)
		if t.Error != "" {
			outcome = t.Error
		}
		path := t.Path
		if opts.Out.IO.OutTTY {
			path = opts.Short(path)
		}
		rows[i] = []string{t.Client, t.Name, path, string(t.Rung), outcome, t.Engine}
	}
	switch {
	case opts.Out.Quiet:
		return nil
	case len(rows) == 0:
		opts.Out.Note("No AI client is connected. Connect one: keyfob mcp connect --client CLIENT --apply")
		return nil
	}
	return opts.Out.Table([]string{"CLIENT", "SERVER", "FILE", "KEY AS", "HANDSHAKE", "CLIENT SAYS"}, rows)
}
