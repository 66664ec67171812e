package clients_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// model is a language model that says "ok" to everything, behind the chat completions API of OpenAI: some clients connect
// to their MCP servers only once they have something to talk to. It remembers the tools that it was offered.
type model struct {
	url string // of the API, with /v1

	mu      sync.Mutex
	offered []string
}

func newModel(t *testing.T) *model {
	t.Helper()
	m := &model{}
	server := httptest.NewServer(m)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	m.url = server.URL + "/v1"
	return m
}

// ServeHTTP answers /v1/models and /v1/chat/completions.
func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const about = `"id":"x","created":1,"model":"dummy"`
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"object":"list","data":[{"id":"dummy","object":"model"}]}`)
		return
	}
	var ask struct {
		Stream bool `json:"stream"`
		Tools  []struct {
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		} `json:"tools"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<20)).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	for _, tool := range ask.Tools {
		m.offered = append(m.offered, tool.Function.Name)
	}
	m.mu.Unlock()
	const usage = `"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}`
	if !ask.Stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{%s,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],%s}`, about, usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, `data: {%s,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"ok"},"finish_reason":null}]}`+"\n\n", about)
	fmt.Fprintf(w, `data: {%s,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],%s}`+"\n\n", about, usage)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// forget forgets which tools were offered.
func (m *model) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.offered = nil
}

// saw says that a tool of the name was offered, whatever the client puts before it.
func (m *model) saw(tool string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.offered, func(name string) bool { return strings.HasSuffix(name, tool) })
}
