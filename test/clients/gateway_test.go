package clients_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestClientsCallToolsThroughTheGateway has real clients, connected by --apply, call tools of a real MCP server that keyfobd guards.
// When their key is disabled the call under way ends within a second, and the next reaches nobody.
func TestClientsCallToolsThroughTheGateway(t *testing.T) {
	t.Parallel()
	newEngine(t, "claude", "codex", "mcp-server-everything") // skip before anything is built
	for _, tt := range []struct {
		program, client string
		argv            func(model string) []string
	}{
		{"claude", "claude-code", func(model string) []string {
			return []string{
				"env", "ANTHROPIC_BASE_URL=" + model, "ANTHROPIC_API_KEY=dummy", "ENABLE_TOOL_SEARCH=false",
				"claude", "-p", "go", "--model", "claude-sonnet-4-6", "--allowedTools", "mcp__keyfob",
			}
		}},
		{"codex", "codex", func(model string) []string {
			return []string{
				"env", "DUMMY=dummy", "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox",
				"-c", "model=gpt-5", "-c", "model_provider=scripted",
				"-c", `model_providers.scripted={name="scripted",base_url="` + model + `/v1",env_key="DUMMY",wire_api="responses"}`, "go",
			}
		}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			t.Parallel()
			g := startGuarded(t)
			e := newEngine(t, tt.program)
			e.signIn(t, g.quickstart)
			e.run(t, "keyfob", "mcp", "connect", "--client", tt.client, "--apply")
			s := newScript(t, g.MCP.Name,
				toolCall{"echo", `{"message":"how far is it"}`},
				toolCall{"trigger-long-running-operation", `{"duration":50,"steps":50}`},
				toolCall{"echo", `{"message":"and now"}`})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := e.command(ctx, tt.argv(s.url)...)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				cancel()
				_ = cmd.Wait()
				if t.Failed() {
					t.Log(out.String())
				}
			}()
			next(ctx, t, g.calls)
			if got := next(ctx, t, s.results); !strings.Contains(got, "Echo: how far is it") {
				t.Fatalf("the tool answered %s", got)
			}
			long := next(ctx, t, g.calls)
			e.run(t, "keyfob", "keys", "disable", g.Key.ID)
			disabled := time.Now()
			next(ctx, t, long.left)
			if took := time.Since(disabled); took > time.Second {
				t.Errorf("the call went on for %v", took)
			}
			if got := next(ctx, t, s.results); !strings.Contains(got, "is disabled") {
				t.Errorf("the call that was ended gave %s", got)
			}
			if got := next(ctx, t, s.results); strings.Contains(got, "Echo: ") {
				t.Errorf("a disabled key's call gave %s", got)
			}
			if len(g.calls) != 0 {
				t.Errorf("%s was called with a disabled key", (<-g.calls).tool)
			}
		})
	}
}

// next returns what comes from a channel, or its zero once that is closed.
func next[T any](ctx context.Context, t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-ctx.Done():
		t.Fatal("nothing came in time")
	}
	panic(io.EOF) // Fatal does not return
}
