package mcpprobe_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpprobe"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	initOK = `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`
	listOK = `{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a","version":7}]}}`
)

// script is a server that answers each method as told; what is missing is answered well.
type script map[string]http.HandlerFunc

func (s script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Method string `json:"method"`
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil && r.Method == http.MethodPost {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.Method != http.MethodPost {
		m.Method = r.Method
	}
	if h, ok := s[m.Method]; ok {
		h(w, r)
		return
	}
	switch m.Method {
	case "initialize":
		answer(initOK)(w, r)
	case "tools/list":
		answer(listOK)(w, r)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func body(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
}

func answer(text string) http.HandlerFunc { return body("application/json", text) }

func events(text string) http.HandlerFunc { return body("text/event-stream; charset=utf-8", text) }

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "you sent "+r.Header.Get("Authorization"))
	}
}

// endless writes the chunk until the client hangs up.
func endless(contentType, chunk string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}
}

func silent(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// raw takes the connection and writes the text instead of an HTTP answer.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, strings.ReplaceAll(text, "KEY", r.Header.Get("Authorization")))
		_ = conn.Close()
	}
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	for range 8 {
		if _, err := io.WriteString(z, strings.Repeat(" ", 1<<20)); err != nil {
			return
		}
	}
	_ = z.Close()
}

func probe(t *testing.T, s script) (mcpprobe.Result, error) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	key := secret.New(secret.Key)
	res, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: server.URL + "/mcp?tenant=hushhush", Secret: key, Client: "keyfob", Version: "0.1"})
	if err != nil && (strings.Contains(err.Error(), key.Reveal()) || strings.Contains(err.Error(), "hushhush")) {
		t.Errorf("the error holds the secret or the query: %v", err)
	}
	return res, err
}
