package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// tools holds what the tools need.
type tools struct{ core *core.Service }

func addTools(server *mcp.Server, c *core.Service) {
	t := tools{core: c}
	add(server, "whoami", "Who am I", "Tells which API key this connection uses and which organisation it belongs to: the key's name, "+
		"hint, status and expiry. Call it first to learn whose keys the other tools show.", schemaOf[whoamiInput](), t.whoami)
	add(server, "list_keys", "List API keys", "Lists the organisation's API keys, oldest first: name, id, hint (masked secret), status, "+
		"creation, expiry and last use. Never returns a secret. Filter by status; when next_page_token is not empty, call again "+
		"with it as page_token for the next page.", listKeysSchema(), t.listKeys)
	add(server, "key_activity", "Show a key's activity", "Shows how one API key was used and changed: last use of each of its secrets, and its "+
		"newest events (created, renamed, disabled, …) with who caused them. Without a key it reports on the calling key itself. "+
		"Use it to find out whether a key is still in use.", keyActivitySchema(), t.keyActivity)
}

// add adds a read-only tool.
func add[In, Out any](
	server *mcp.Server, name, title, description string, input any,
	run func(context.Context, core.Caller, In) (Out, string, error),
) {
	no := false
	mcp.AddTool(server, &mcp.Tool{
		Name: name, Title: title, Description: description,
		InputSchema: input, OutputSchema: outputOf[Out](),
		Annotations: &mcp.ToolAnnotations{
			Title: title, ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: &no, OpenWorldHint: &no,
		},
	}, func(ctx context.Context, _ *mcp.CallToolRequest, in In) (_ *mcp.CallToolResult, out Out, err error) {
		ctx, cancel := context.WithTimeout(ctx, toolTimeout)
		defer cancel()
		c, ok := ctx.Value(callKey{}).(call)
		if !ok {
			return nil, out, errors.New("the request has no caller")
		}
		defer func() { // the SDK runs tools in goroutines of its own, where a panic would end the process
			if crash := recover(); crash != nil {
				err = toolError(ctx, c.log, name, fmt.Errorf("panic: %v\n%s", crash, debug.Stack()))
			}
		}()
		out, text, err := run(ctx, c.caller, in)
		if err != nil {
			return nil, out, toolError(ctx, c.log, name, err)
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, out, nil
	})
}

// toolError is what the agent may know of a failure; the SDK makes it a result with isError.
func toolError(ctx context.Context, log *slog.Logger, tool string, err error) error {
	var known *core.Error
	if !errors.As(err, &known) || known.Code == api.CodeInternal {
		log.LogAttrs(ctx, slog.LevelError, "tool failed", slog.String("tool", tool), slog.Any("error", err))
		return errors.New("the service could not answer; try again later")
	}
	if known.Fix != "" {
		return fmt.Errorf("%s: %s; %s", known.Code, known.Detail, known.Fix)
	}
	return fmt.Errorf("%s: %s", known.Code, known.Detail)
}

func (t tools) whoami(ctx context.Context, c core.Caller, _ whoamiInput) (whoamiOutput, string, error) {
	k, err := t.core.Self(ctx, c)
	if err != nil {
		return whoamiOutput{}, "", err
	}
	out := whoamiOutput{
		Org: org{ID: c.Org.ID, Slug: c.Org.Slug, Name: c.Org.Name},
		Key: describe(k),
	}
	return out, fmt.Sprintf("You are key %s of organisation %q (%s).", line(out.Key), c.Org.Name, c.Org.Slug), nil
}

func (t tools) listKeys(ctx context.Context, c core.Caller, in listKeysInput) (listKeysOutput, string, error) {
	page, err := t.core.CallerKeys(ctx, c, core.ListKeys{
		Limit: in.Limit, Token: in.PageToken, Status: api.KeyStatus(in.Status),
	})
	if err != nil {
		return listKeysOutput{}, "", err
	}
	out := listKeysOutput{Keys: []key{}, NextPageToken: page.NextToken}
	var text strings.Builder
	fmt.Fprintf(&text, "Keys of organisation %s on this page: %d\n", c.Org.Slug, len(page.Keys))
	for _, k := range page.Keys {
		out.Keys = append(out.Keys, describe(k))
		fmt.Fprintf(&text, "- %s\n", line(describe(k)))
	}
	if page.NextToken != "" {
		fmt.Fprintf(&text, "There are more: call list_keys with page_token %q.\n", page.NextToken)
	}
	return out, text.String(), nil
}

func (t tools) keyActivity(ctx context.Context, c core.Caller, in keyActivityInput) (keyActivityOutput, string, error) {
	k, events, err := t.core.KeyActivity(ctx, c, in.Key, in.Limit)
	if err != nil {
		return keyActivityOutput{}, "", err
	}
	out := keyActivityOutput{Key: describe(k), Secrets: []secretUse{}, Events: []event{}}
	var text strings.Builder
	fmt.Fprintf(&text, "Key %s\n", line(out.Key))
	for _, v := range k.Secrets {
		use := secretUse{Version: v.Version, Hint: v.Hint, State: string(v.State), LastUsedAt: when(v.LastUsedAt)}
		out.Secrets = append(out.Secrets, use)
		fmt.Fprintf(&text, "- secret %d (%s, %s): last used %s\n", use.Version, use.Hint, use.State, stamp(use.LastUsedAt))
	}
	for _, e := range events {
		ev := event{At: e.At.UTC(), Type: e.Type, By: actor{Type: string(e.Actor.Type), ID: e.Actor.ID, Name: e.Actor.Name}, Data: e.Data}
		out.Events = append(out.Events, ev)
		fmt.Fprintf(&text, "- %s %s by %s %q\n", ev.At.Format(timeFormat), ev.Type, ev.By.Type, ev.By.Name)
	}
	return out, text.String(), nil
}
