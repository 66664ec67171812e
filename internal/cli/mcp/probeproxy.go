package mcp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/build"
)

// probeProxy does the handshake with an MCP server that speaks stdio (MCP specification 2025-11-25, "Transports"), and lists
// its tools.
func probeProxy(ctx context.Context, environ, argv []string) (tools []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // our own proxy
	cmd.Env, cmd.WaitDelay = environ, time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the proxy does not start: %w", err)
	}
	tools, err = listOver(stdin, stdout)
	_ = stdin.Close()
	_, _ = io.Copy(io.Discard, stdout)
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("the proxy ended badly: %w", ended)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, errors.New("the proxy did not answer in time")
	}
	return tools, err
}

func listOver(to io.Writer, from io.Reader) ([]string, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 4<<20)
	call := func(id int, method string, params, result any) error {
		doc, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
		if err != nil {
			return err
		}
		if _, err := to.Write(append(doc, '\n')); err != nil {
			return errors.New("the proxy is gone")
		}
		for lines.Scan() {
			var m struct {
				ID     json.RawMessage `json:"id"`
				Result json.RawMessage `json:"result"`
				Error  *struct {
					Message string `json:"message"`
				} `json:"error"`
			}
			if json.Unmarshal(lines.Bytes(), &m) != nil {
				return errors.New("the proxy printed what is no message")
			}
			if string(m.ID) != strconv.Itoa(id) {
				continue
			}
			if m.Error != nil {
				return errors.New(m.Error.Message)
			}
			return json.Unmarshal(m.Result, result)
		}
		return errors.New("the proxy ended without an answer")
	}
	hello := map[string]any{
		"protocolVersion": "2025-11-25", "capabilities": struct{}{}, "clientInfo": map[string]string{"name": "keyfob", "version": build.Version()},
	}
	if err := call(1, "initialize", hello, &struct{}{}); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(to, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"); err != nil {
		return nil, errors.New("the proxy is gone")
	}
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := call(2, "tools/list", struct{}{}, &list); err != nil {
		return nil, err
	}
	names := make([]string, len(list.Tools))
	for i, t := range list.Tools {
		names[i] = t.Name
	}
	return names, nil
}
