package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// script is a language model that calls tools of one MCP server in a fixed order, behind Anthropic's Messages API for Claude Code and
// OpenAI's Responses API for Codex: these two call no tool that no model asks for. What each call gave comes out of results.
type script struct {
	url     string
	server  string // the MCP server's name in the client
	calls   []toolCall
	results chan string // of one call each, in order
	told    int         // how many were put there; requests of a client's turn follow each other
}

type toolCall struct{ name, arguments string }

func newScript(t *testing.T, server string, calls ...toolCall) *script {
	t.Helper()
	s := &script{server: server, calls: calls, results: make(chan string, len(calls))}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	s.url = web.URL
	return s
}

// ServeHTTP answers with the call that follows the results in the request, or with the end.
func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Tools    []json.RawMessage `json:"tools"`
		Messages []struct {
			Content json.RawMessage `json:"content"`
		} `json:"messages"`
		Input []struct {
			Type   string          `json:"type"`
			Output json.RawMessage `json:"output"`
		} `json:"input"`
	}
	answer := map[string]func(http.ResponseWriter, int){"/v1/messages": s.message, "/v1/responses": s.response}[r.URL.Path]
	if r.Method != http.MethodPost || answer == nil {
		http.NotFound(w, r)
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if len(ask.Tools) == 0 { // a title for the conversation or the like
		answer(w, len(s.calls))
		return
	}
	var results []string
	for _, m := range ask.Messages {
		var blocks []struct {
			Type    string          `json:"type"`
			Content json.RawMessage `json:"content"`
		}
		_ = json.Unmarshal(m.Content, &blocks) // a string is no result
		for _, b := range blocks {
			if b.Type == "tool_result" {
				results = append(results, string(b.Content))
			}
		}
	}
	for _, item := range ask.Input {
		if item.Type == "function_call_output" {
			results = append(results, string(item.Output))
		}
	}
	for ; s.told < len(results); s.told++ {
		s.results <- results[s.told]
	}
	answer(w, len(results))
}

func event(w http.ResponseWriter, kind, data string) {
	fmt.Fprintf(w, "event: %s\ndata: {\"type\":%q,%s}\n\n", kind, kind, data)
}

// message is an answer of the Messages API.
func (s *script) message(w http.ResponseWriter, n int) {
	event(w, "message_start", `"message":{"id":"msg","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`)
	block, delta, stop := `{"type":"text","text":""}`, `{"type":"text_delta","text":"done"}`, "end_turn"
	if n < len(s.calls) {
		call := s.calls[n]
		block = fmt.Sprintf(`{"type":"tool_use","id":"call_%d","name":"mcp__%s__%s","input":{}}`, n, s.server, call.name)
		delta, stop = fmt.Sprintf(`{"type":"input_json_delta","partial_json":%q}`, call.arguments), "tool_use"
	}
	event(w, "content_block_start", `"index":0,"content_block":`+block)
	event(w, "content_block_delta", `"index":0,"delta":`+delta)
	event(w, "content_block_stop", `"index":0`)
	event(w, "message_delta", fmt.Sprintf(`"delta":{"stop_reason":%q,"stop_sequence":null},"usage":{"output_tokens":1}`, stop))
	fmt.Fprint(w, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
}

// response is an answer of the Responses API. Codex writes _ for - in the names of tools.
func (s *script) response(w http.ResponseWriter, n int) {
	item := `{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"done"}]}`
	if n < len(s.calls) {
		call := s.calls[n]
		item = fmt.Sprintf(`{"type":"function_call","id":"f%d","call_id":"call_%d","namespace":"mcp__%s","name":%q,"arguments":%q}`,
			n, n, s.server, strings.ReplaceAll(call.name, "-", "_"), call.arguments)
	}
	event(w, "response.created", `"response":{"id":"r"}`)
	event(w, "response.output_item.done", `"output_index":0,"item":`+item)
	event(w, "response.completed", `"response":{"id":"r","usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2}}`)
}
