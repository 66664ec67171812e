package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestProxyUnderTheSDK has the official SDK's client run `keyfob mcp proxy` as a client does that speaks stdio only, with nothing in
// its environment but HOME, in every revision that the hosted server speaks, while the key is disabled and enabled again.
func TestProxyUnderTheSDK(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "keyfob")
	home := t.TempDir()
	run := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, bin, args...)
		cmd.Env, cmd.Dir = []string{"HOME=" + home}, home
		return cmd
	}
	service := run(t.Context(), "quickstart", "-o", "json")
	service.Cancel = func() error { return service.Process.Signal(os.Interrupt) }
	service.WaitDelay = deadline
	out, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = service.Process.Signal(os.Interrupt)
		_ = service.Wait()
	})
	if err := json.NewDecoder(out).Decode(new(struct{})); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			var made struct{ Key struct{ ID string } }
			doc, err := run(t.Context(), "keys", "create", "for "+version, "-o", "json").Output()
			if err == nil {
				err = json.Unmarshal(doc, &made)
			}
			if err != nil {
				t.Fatal(err)
			}
			key := made.Key.ID
			proxy := run(context.WithoutCancel(t.Context()), "mcp", "proxy", "--key", key, "--context", "local", "--org", "local")
			var stderr bytes.Buffer
			proxy.Stderr = &stderr
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			session, err := client.Connect(ctx, &mcp.CommandTransport{Command: proxy}, &mcp.ClientSessionOptions{ProtocolVersion: version})
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			if got := session.InitializeResult().ProtocolVersion; got != version {
				t.Errorf("negotiated %s", got)
			}
			tools, err := session.ListTools(ctx, nil)
			if err != nil || !slices.ContainsFunc(tools.Tools, func(t *mcp.Tool) bool { return t.Name == "whoami" }) {
				t.Errorf("tools: %+v, %v", tools, err)
			}
			whoami := func() (string, error) {
				got, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
				if err != nil {
					return "", err
				}
				return got.Content[0].(*mcp.TextContent).Text, nil
			}
			if said, err := whoami(); err != nil || !strings.Contains(said, key) {
				t.Errorf("whoami: %q, %v", said, err)
			}
			keys := func(verb string) {
				if out, err := run(ctx, "keys", verb, key).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			keys("disable")
			if said, err := whoami(); err == nil || !strings.Contains(err.Error(), "keyfob keys enable "+key) {
				t.Errorf("after disable: %q, %v", said, err)
			}
			keys("enable")
			if said, err := whoami(); err != nil {
				t.Errorf("after enable: %q, %v", said, err)
			}
			if err := session.Close(); err != nil || proxy.ProcessState == nil || proxy.ProcessState.ExitCode() != 0 {
				t.Errorf("it ended with %v, %v", proxy.ProcessState, err)
			}
			if stderr.Len() > 0 {
				t.Errorf("on stderr: %s", stderr.String())
			}
		})
	}
}
