package mcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestToolErrorsTellRefusalsAndLogFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		told   string
		logged bool
	}{
		"refusal":  {fmt.Errorf("x: %w", &core.Error{Code: api.CodeKeyNotFound, Detail: "no key"}), "key-not-found: no key", false},
		"with fix": {&core.Error{Code: api.CodeForbidden, Detail: "no", Fix: "ask"}, "forbidden: no; ask", false},
		"fault":    {errors.New("disk on fire"), "the service could not answer; try again later", true},
		"internal": {&core.Error{Code: api.CodeInternal, Detail: "disk on fire"}, "the service could not answer; try again later", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			got := toolError(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "whoami", tt.err)
			if got.Error() != tt.told {
				t.Errorf("told %q", got)
			}
			if strings.Contains(log.String(), "disk on fire") != tt.logged {
				t.Errorf("logged %q", log.String())
			}
		})
	}
}

func TestAPanicInAToolIsAnErrorOfTheTool(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	server := mcp.NewServer(&mcp.Implementation{Name: "test"}, nil)
	add(server, "boom", "Boom", "Fails.", schemaOf[whoamiInput](),
		func(context.Context, core.Caller, whoamiInput) (whoamiOutput, string, error) { panic("disk on fire") })
	here, there := mcp.NewInMemoryTransports()
	ctx := WithCaller(t.Context(), core.Caller{}, slog.New(slog.NewTextHandler(&log, nil)))
	serving, err := server.Connect(ctx, there, nil)
	if err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "boom"})
	if err != nil || !result.IsError || strings.Contains(result.Content[0].(*mcp.TextContent).Text, "fire") {
		t.Errorf("%+v, %v", result, err)
	}
	if err := errors.Join(session.Close(), serving.Wait()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "disk on fire") || !strings.Contains(log.String(), "errors_test.go") {
		t.Errorf("logged %s", log.String())
	}
}
