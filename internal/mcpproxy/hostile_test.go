package mcpproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// answering answers every POST of a request with a status, a type and a body, in which ID stands for the request's id.
func answering(status int, media, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		doc, _ := io.ReadAll(r.Body)
		m, _ := parse(doc)
		w.Header().Set("Content-Type", media)
		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "ID", string(m.rawID)))
	})
}

// TestHostileServers holds that whatever a server answers, the request gets one JSON-RPC answer, and the bridge lives on.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	const ok = `{"jsonrpc":"2.0","id":ID,"result":{}}`
	for name, tc := range map[string]struct {
		next http.Handler
		want string // of the error's message; empty: there is a result
	}{
		"json":               {answering(200, "application/json; charset=utf-8", "\n "+ok+"\n"), ""},
		"pretty json":        {answering(200, "application/json", "{\n  \"jsonrpc\": \"2.0\",\n  \"id\": ID,\n  \"result\": {}\n}"), ""},
		"batch":              {answering(200, "application/json", `[{"jsonrpc":"2.0","method":"notifications/x"},`+ok+`]`), ""},
		"events":             {answering(200, "text/event-stream", ": hi\n\nid: 1\ndata:\n\nevent: message\ndata: "+ok+"\n\n"), ""},
		"event in two lines": {answering(200, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":ID,\"result\":{}}\n\n"), ""},
		"crlf":               {answering(200, "text/event-stream", "data: "+ok+"\r\n\r\n"), ""},
		"its own error":      {answering(400, "application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32020,"message":"mismatch"}}`), "mismatch"},
		"error to nobody":    {answering(200, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"what?"}}`), "what?"},
		"problem":            {answering(403, "application/problem+json", `{"code":"forbidden","detail":"not here","fix":"go away"}`), "the server answered HTTP 403: not here; go away"},
		"html":               {answering(200, "text/html", "<html>"), "neither application/json nor text/event-stream"},
		"html for json":      {answering(200, "application/json", "<html>"), "not JSON-RPC"},
		"nothing":            {answering(200, "application/json", ""), "not JSON-RPC"},
		"accepted only":      {answering(202, "", ""), "HTTP 202"},
		"no content":         {answering(204, "", ""), "HTTP 204"},
		"another id":         {answering(200, "application/json", `{"jsonrpc":"2.0","id":"other","result":{}}`), "no response to the request"},
		"a request only":     {answering(200, "application/json", `{"jsonrpc":"2.0","id":"s1","method":"ping"}`), "no response to the request"},
		"JSON-RPC 1":         {answering(200, "application/json", `{"jsonrpc":"1.0","id":ID,"result":{}}`), "not JSON-RPC"},
		"error that is none": {answering(500, "application/json", `{"jsonrpc":"2.0","id":ID,"error":"x"}`), "HTTP 500"},
		"junk event":         {answering(200, "text/event-stream", "data: junk\n\n"), "not JSON-RPC"},
		"cut event":          {answering(200, "text/event-stream", "data: "+ok+"\n"), "ended before the answer"},
		"cut stream":         {answering(200, "text/event-stream", "id: 7\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n"), "could not be taken up again"},
		"404":                {answering(404, "text/plain", "no"), "HTTP 404"},
		"405":                {answering(405, "", ""), "HTTP 405"},
		"429":                {answering(429, "", ""), "HTTP 429"},
		"503":                {answering(503, "text/html", "<html>"), "HTTP 503"},
		"redirect":           {answering(307, "", ""), "redirects elsewhere"},
		"too much json":      {answering(200, "application/json", strings.Repeat(" ", maxMessage+1)), "too large"},
		"too long an event":  {answering(200, "text/event-stream", "data: "+strings.Repeat("x", maxMessage+1)+"\n\n"), "too large"},
		"hangs up": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = conn.Close()
			}
		}), "the connection to the server failed"},
		"lies about its length": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
		}), "the connection to the server failed"},
		"bad session": {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Mcp-Session-Id", "a b")
			answering(200, "application/json", ok).ServeHTTP(w, r)
		}), "session id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := serve(t, tc.next)
			b := start(t, g.access)
			b.send(initialize("1"))
			r := b.next()
			for r.ID == nil || r.Method != "" { // what came beside it
				r = b.next()
			}
			if r.ID != 1.0 {
				t.Errorf("answered %s", r.line)
			}
			if tc.want != "" && (r.Error == nil || !strings.Contains(r.Error.Message, tc.want)) {
				t.Errorf("answered %s", r.line)
			}
			if strings.Contains(r.line, "hushhush") || strings.Contains(r.line, g.current.Reveal()) {
				t.Errorf("it tells too much: %s", r.line)
			}
			b.send(`{`)
			if r := b.next(); r.Error == nil || r.Error.Code != codeParse {
				t.Errorf("afterwards: %s", r.line)
			}
			if err := b.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHostileClients holds that whatever a client writes, it is told, and the bridge lives on.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	g := serve(t, answering(200, "application/json", `{"jsonrpc":"2.0","id":ID,"result":{}}`))
	b := start(t, g.access)
	for _, tc := range []struct {
		line string
		id   any
		code int
	}{
		{`{`, nil, codeParse},
		{`<xml>`, nil, codeParse},
		{"\xff\xfe", nil, codeParse},
		{`null`, nil, codeInvalid},
		{`"x"`, nil, codeInvalid},
		{`[]`, nil, codeInvalid},
		{`{}`, nil, codeInvalid},
		{`{"jsonrpc":"1.0","id":5,"method":"ping"}`, 5.0, codeInvalid},
		{`{"jsonrpc":"2.0","id":{},"method":"ping"}`, nil, codeInvalid},
		{`{"jsonrpc":"2.0","id":null,"method":"ping"}`, nil, codeInvalid},
		{`{"jsonrpc":"2.0","id":6,"method":""}`, 6.0, codeInvalid},
		{`{"jsonrpc":"2.0","id":7,"method":7}`, nil, codeInvalid},
		{`{"jsonrpc":"2.0","id":8}`, 8.0, codeInvalid},
		{strings.Repeat("[", 20000), nil, codeParse},
		{`"` + strings.Repeat("x", maxMessage) + `"`, nil, codeInvalid},
	} {
		b.send("", "  ", tc.line)
		r := b.next()
		if r.Error == nil || r.Error.Code != tc.code || r.ID != tc.id {
			t.Errorf("%.60s: %s", tc.line, r.line)
		}
	}
	b.send(`[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]`)
	got := map[any]bool{b.next().ID: true, b.next().ID: true}
	if !got["a"] || !got["b"] {
		t.Errorf("a batch: %v", got)
	}
	b.send(`{"jsonrpc":"2.0","method":"notifications/cancelled"}`, `{"jsonrpc":"2.0","id":"é","method":"ping","params":{"n":12345678901234567890}}`)
	if r := b.next(); r.ID != "é" {
		t.Errorf("at last: %s", r.line)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// TestServiceDown holds that requests get an error that says why while there is no way to the server, and answers again after it.
func TestServiceDown(t *testing.T) {
	t.Parallel()
	g := serve(t, answering(200, "application/json", `{"jsonrpc":"2.0","id":ID,"result":{}}`))
	g.fails = errors.New("keyfob: can't reach the service; start it")
	b := start(t, g.access)
	b.send(initialize("1"))
	if r := b.next(); r.Error == nil || r.Error.Message != "keyfob: can't reach the service; start it" {
		t.Errorf("without access: %s", r.line)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere, up := "http://"+listener.Addr().String()+"/mcp", g.url
	_ = listener.Close()
	g.mu.Lock()
	g.fails, g.url = nil, nowhere
	g.mu.Unlock()
	b.send(initialize("2"))
	if r := b.next(); r.Error == nil || !strings.Contains(r.Error.Message, "the connection to the server failed") {
		t.Errorf("without a server: %s", r.line)
	}
	g.mu.Lock()
	g.url = up
	g.mu.Unlock()
	g.rotate()
	_ = b.end()

	b = start(t, g.access)
	b.send(initialize("3"))
	if r := b.next(); r.ID != 3.0 || r.Error != nil {
		t.Errorf("with a server: %s", r.line)
	}
	g.mu.Lock()
	g.fails = errors.New("the key ci is disabled; enable it")
	g.mu.Unlock()
	g.rotate()
	b.send(`{"jsonrpc":"2.0","id":5,"method":"ping"}`)
	if r := b.next(); r.ID != 5.0 || r.Error == nil || r.Error.Message != "the key ci is disabled; enable it" {
		t.Errorf("with a key that is revoked: %s", r.line)
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// TestSecretIsRefusedTwice holds that a secret that is fetched anew and still refused ends the tries.
func TestSecretIsRefusedTwice(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	g := serve(t, nil)
	b := start(t, func(context.Context, secret.Secret) (Access, error) {
		asked.Add(1)
		return Access{g.url, secret.New(secret.Key)}, nil
	})
	b.send(initialize("1"))
	if r := b.next(); r.Error == nil || !strings.Contains(r.Error.Message, "HTTP 401") {
		t.Errorf("answered %s", r.line)
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
	if err := b.end(); err != nil {
		t.Error(err)
	}
}

// TestEnds holds that a bridge ends at once with stdin, with a signal and with a client that reads no more; that the session is closed
// and an answer on its way still comes.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b *bridged) error{
		"stdin":  func(b *bridged) error { return b.end() },
		"signal": func(b *bridged) error { b.stop(); return b.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deleted := make(chan string, 1)
			hung := make(chan struct{}, 1)
			g := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				doc, _ := io.ReadAll(r.Body)
				m, _ := parse(doc)
				switch {
				case r.Method == http.MethodDelete:
					deleted <- r.Header.Get("Mcp-Session-Id") + " " + r.Header.Get("Mcp-Protocol-Version")
				case r.Method == http.MethodGet:
					w.Header().Set("Content-Type", "text/event-stream")
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				case m.method == methodListen:
					hung <- struct{}{}
					<-r.Context().Done()
				case m.kind == request:
					w.Header().Set("Mcp-Session-Id", "sess-1")
					w.Header().Set("Content-Type", "application/json")
					_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25"}}`, m.rawID)
				default:
					w.WriteHeader(http.StatusAccepted)
				}
			}))
			b := start(t, g.access)
			b.send(initialize("1"), initialized)
			b.next()
			b.send(`{"jsonrpc":"2.0","id":2,"method":"subscriptions/listen"}`)
			<-hung
			begun := time.Now()
			if err := end(b); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > drainTimeout+endTimeout {
				t.Errorf("it took %s", took)
			}
			if got := <-deleted; got != "sess-1 2025-11-25" {
				t.Errorf("deleted %q", got)
			}
		})
	}
	t.Run("client reads no more", func(t *testing.T) {
		t.Parallel()
		g := serve(t, answering(200, "application/json", `{"jsonrpc":"2.0","id":ID,"result":{}}`))
		b := start(t, g.access)
		_ = b.out.Close()
		b.send(initialize("1"))
		if err := b.wait(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("ended with %v", err)
		}
	})
}
