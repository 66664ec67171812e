package clients_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/test/clients"
)

// status is what a client's own engine says of a server.
type status string

const (
	connected status = "connected"
	refused   status = "refused"
)

// engine runs AI clients in a home of their own, with nothing of this process's environment.
type engine struct {
	home string
	env  []string
}

// newEngine returns an engine whose PATH has the named clients and node. Where one is not in the cache the test is
// skipped; in CI it fails.
func newEngine(t *testing.T, names ...string) engine {
	t.Helper()
	all, err := clients.All()
	missing(t, err)
	cache, err := clients.Cache()
	missing(t, err)
	var path []string
	for _, c := range all {
		if c.Name == "node" || slices.Contains(names, c.Name) {
			bin, err := c.BinDir(cache)
			missing(t, err)
			path = append(path, bin)
		}
	}
	home := t.TempDir()
	return engine{home: home, env: []string{
		"HOME=" + home,
		"PATH=" + strings.Join(append(path, "/usr/local/bin", "/usr/bin", "/bin"), ":"),
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
		"DISABLE_AUTOUPDATER=1",
		"GEMINI_CLI_TRUST_WORKSPACE=true",
	}}
}

// bin returns the folder of a client's command.
func (e engine) bin(t *testing.T, name string) string {
	t.Helper()
	for _, v := range e.env {
		path, _ := strings.CutPrefix(v, "PATH=")
		for _, dir := range filepath.SplitList(path) {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				return dir
			}
		}
	}
	t.Fatalf("%s is not on the engine's PATH", name)
	return ""
}

// missing skips the test for want of a tool; in CI it fails.
func missing(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// command prepares argv; env resolves its first word, not this process's PATH.
func (e engine) command(ctx context.Context, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/usr/bin/env", argv...)
	cmd.Dir, cmd.Env = e.home, e.env
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run returns what the command wrote to both streams: gemini answers on stderr. A failure ends the test.
func (e engine) run(t *testing.T, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := e.command(ctx, argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", argv[0], err, out)
	}
	return string(out)
}

// listed finds the server's line in the output of a client's `mcp list`.
func listed(out, name string) string {
	line := regexp.MustCompile(`(?m)^.*\b` + regexp.QuoteMeta(name) + `: .*$`)
	return line.FindString(out)
}

func (e engine) claudeStatus(t *testing.T, name string) status {
	t.Helper()
	line := listed(e.run(t, "claude", "mcp", "list"), name)
	switch {
	case strings.HasSuffix(line, "✔ Connected"):
		return connected
	case strings.Contains(line, "HTTP 401"):
		return refused
	}
	return status(line)
}

// geminiStatus cannot tell a refusal from a server that is down: the caller has seen the same server connected.
func (e engine) geminiStatus(t *testing.T, name string) status {
	t.Helper()
	line := listed(e.run(t, "gemini", "mcp", "list"), name)
	switch {
	case strings.HasSuffix(line, "- Connected"):
		return connected
	case strings.HasSuffix(line, "- Disconnected"):
		return refused
	}
	return status(line)
}

// codexStatus asks codex's app-server: `codex mcp list` does not connect.
func (e engine) codexStatus(t *testing.T, name string) status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := e.command(ctx, "codex", "app-server")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = stdin.Write([]byte(`{"id":1,"method":"initialize","params":{"clientInfo":{"name":"test","version":"0"}}}
{"method":"initialized"}
{"id":2,"method":"mcpServerStatus/list","params":{}}
`))
	if err != nil {
		t.Fatal(err)
	}
	type server struct {
		Name       string          `json:"name"`
		ServerInfo json.RawMessage `json:"serverInfo"`
		Tools      map[string]any  `json:"tools"`
		ToolsError string          `json:"toolsError"`
	}
	var got status
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for got == "" && lines.Scan() {
		var reply struct {
			ID     int `json:"id"`
			Result struct {
				Data []server `json:"data"`
			} `json:"result"`
		}
		if json.Unmarshal(lines.Bytes(), &reply) != nil || reply.ID != 2 {
			continue
		}
		got = status(lines.Text())
		for _, s := range reply.Result.Data {
			switch {
			case s.Name != name:
			case string(s.ServerInfo) != "null" && len(s.Tools) > 0:
				got = connected
			case strings.Contains(s.ToolsError, "Auth required"):
				got = refused
			}
		}
	}
	_ = stdin.Close() // ends the app-server
	if err := cmd.Wait(); err != nil {
		t.Errorf("codex app-server: %v", err)
	}
	return got
}

// build builds keyfob and keyfobd into one folder and returns keyfob's path.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", dir,
		"github.com/keyfob/keyfob/cmd/keyfob", "github.com/keyfob/keyfob/cmd/keyfobd").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "keyfob")
}
