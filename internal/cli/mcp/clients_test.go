package mcp

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
)

// listClients runs the command on a machine that has Codex's folder and the program claude.
func listClients(t *testing.T, opts ClientsOptions, format cliutil.Format, quiet bool) (stdout, stderr string) {
	t.Helper()
	streams, _, out, errOut := cliutil.TestStreams()
	opts.Out = &cliutil.Output{Format: format, Quiet: quiet, IO: streams}
	if opts.Where == nil {
		opts.Where = func() (mcpclient.Where, error) { return testMachine("/home/ada/.codex", "claude"), nil }
	}
	if err := clientsRun(t.Context(), &opts); err != nil {
		t.Fatal(err)
	}
	return out.String(), errOut.String()
}

func testMachine(exist ...string) mcpclient.Where {
	return mcpclient.Where{
		GOOS: "linux", Dir: "/src/app",
		Env: func(name string) string {
			if name == "HOME" {
				return "/home/ada"
			}
			return ""
		},
		Exists: func(path string) bool { return slices.Contains(exist, path) },
		LookPath: func(name string) (string, error) {
			if slices.Contains(exist, name) {
				return "/usr/bin/" + name, nil
			}
			return "", os.ErrNotExist
		},
	}
}

func TestClientsTable(t *testing.T) {
	t.Parallel()
	stdout, _ := listClients(t, ClientsOptions{}, cliutil.FormatTable, false)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != len(mcpclient.Clients()) {
		t.Fatalf("%d lines for %d clients", len(lines), len(mcpclient.Clients()))
	}
	for i, want := range []string{
		"claude-code\tClaude Code\tclaude on PATH\tuser, project\thelper, env, proxy, literal\t2026-11-23",
		"codex\tCodex\t~/.codex exists\tuser, project\thelper, env, proxy, literal\t2026-11-23",
		"vscode\tVisual Studio Code\t\tuser, project\tenv, proxy, literal\t2026-11-23",
	} {
		if lines[i] != want {
			t.Errorf("got  %q\nwant %q", lines[i], want)
		}
	}
}

func TestClientsDetected(t *testing.T) {
	t.Parallel()
	if stdout, _ := listClients(t, ClientsOptions{Detected: true}, cliutil.FormatTable, true); stdout != "claude-code\ncodex\n" {
		t.Errorf("got %q", stdout)
	}
	none := func() (mcpclient.Where, error) { return testMachine(), nil }
	stdout, stderr := listClients(t, ClientsOptions{Detected: true, Where: none}, cliutil.FormatTable, false)
	if stdout != "" || !strings.Contains(stderr, "keyfob mcp clients") {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
	if stdout, _ := listClients(t, ClientsOptions{Detected: true, Where: none}, cliutil.FormatJSON, false); strings.TrimSpace(stdout) != "{\n  \"clients\": []\n}" {
		t.Errorf("got %q", stdout)
	}
}

func TestClientsJSON(t *testing.T) {
	t.Parallel()
	stdout, _ := listClients(t, ClientsOptions{}, cliutil.FormatJSON, false)
	var doc struct {
		Clients []clientDoc `json:"clients"`
	}
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Clients) < 30 {
		t.Errorf("%d clients", len(doc.Clients))
	}
	proven := 0
	for _, c := range doc.Clients {
		if c.Proven != "" {
			proven++
		}
		if c.ID == "" || c.Title == "" || c.Checked == "" || c.Source == "" || c.Files == nil || c.Rungs == nil {
			t.Errorf("incomplete: %+v", c)
		}
	}
	if proven < 12 {
		t.Errorf("%d were proven by their own program", proven)
	}
	codex := doc.Clients[1]
	files := []clientFile{{"user", "/home/ada/.codex/config.toml", "toml"}, {"project", "/src/app/.codex/config.toml", "toml"}}
	if codex.ID != "codex" || !codex.Detected || codex.How != "~/.codex exists" || !slices.Equal(codex.Files, files) || !codex.Verifies {
		t.Errorf("codex: %+v", codex)
	}
	if cursor := doc.Clients[3]; cursor.Link != "cursor://anysphere.cursor-deeplink/mcp/install" {
		t.Errorf("cursor: %+v", cursor)
	}
}

func TestClientsFlags(t *testing.T) {
	t.Parallel()
	streams, _, _, _ := cliutil.TestStreams()
	f := cliutil.NewFactory(streams, func(string) string { return "" })
	f.Output = func() (*cliutil.Output, error) { return &cliutil.Output{IO: streams}, nil }
	var got *ClientsOptions
	cmd := NewCmdClients(f, func(_ context.Context, opts *ClientsOptions) error {
		got = opts
		return nil
	})
	cmd.SetArgs([]string{"--detected"})
	if err := cmd.ExecuteContext(t.Context()); err != nil || !got.Detected {
		t.Errorf("%+v, %v", got, err)
	}
	where, err := got.Where()
	if err != nil || where.Dir == "" || where.GOOS != f.GOOS || !where.Exists(where.Dir) || where.Exists(where.Dir+"/no such file") {
		t.Errorf("%+v, %v", where, err)
	}
}
