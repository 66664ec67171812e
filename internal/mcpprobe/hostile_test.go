package mcpprobe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/mcpprobe"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestHostileServers(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 20000)
	big := strings.Repeat("x", 300)
	for _, tc := range []struct {
		name string
		srv  script
		step mcpprobe.Step
		code int
		want error
	}{
		{"401 later", script{"tools/list": status(401)}, mcpprobe.StepListTools, 401, mcpprobe.ErrUnauthorized},
		{"401 on the notification", script{"notifications/initialized": status(401)}, mcpprobe.StepInitialized, 401, mcpprobe.ErrUnauthorized},
		{"403", script{"initialize": status(403)}, mcpprobe.StepInitialize, 403, mcpprobe.ErrStatus},
		{"404 of a session", script{"tools/list": status(404)}, mcpprobe.StepListTools, 404, mcpprobe.ErrStatus},
		{"500", script{"initialize": status(500)}, mcpprobe.StepInitialize, 500, mcpprobe.ErrStatus},
		{"202 for a call", script{"initialize": status(202)}, mcpprobe.StepInitialize, 202, mcpprobe.ErrStatus},
		{"204 for a call", script{"initialize": status(204)}, mcpprobe.StepInitialize, 204, mcpprobe.ErrStatus},
		{"304", script{"initialize": status(304)}, mcpprobe.StepInitialize, 304, mcpprobe.ErrStatus},
		{"400 for the notification", script{"notifications/initialized": status(400)}, mcpprobe.StepInitialized, 400, mcpprobe.ErrStatus},
		{"html", script{"initialize": body("text/html", "<html>")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"no content type", script{"initialize": body("", initOK)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"html as json", script{"initialize": answer("<html>")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"empty", script{"initialize": answer("")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"null", script{"initialize": answer("null")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"array", script{"initialize": answer("[" + initOK + "]")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"trailing data", script{"initialize": answer(initOK + initOK)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"byte order mark", script{"initialize": answer("\ufeff" + initOK)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"nesting", script{"initialize": answer(deep)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"nesting in the result", script{"initialize": answer(`{"jsonrpc":"2.0","id":1,"result":{"x":` + deep + strings.Repeat("]", 20000) + `}}`)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"wrong id", script{"initialize": answer(strings.Replace(initOK, `"id":1`, `"id":2`, 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"id as text", script{"initialize": answer(strings.Replace(initOK, `"id":1`, `"id":"1"`, 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"no id", script{"initialize": answer(strings.Replace(initOK, `"id":1,`, ``, 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"old answer", script{"tools/list": answer(strings.Replace(listOK, `"id":2`, `"id":1`, 1))}, mcpprobe.StepListTools, 200, mcpprobe.ErrProtocol},
		{"JSON-RPC 1", script{"initialize": answer(strings.Replace(initOK, `2.0`, `1.0`, 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"no result", script{"initialize": answer(`{"jsonrpc":"2.0","id":1}`)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"null result", script{"initialize": answer(`{"jsonrpc":"2.0","id":1,"result":null}`)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"result of another form", script{"initialize": answer(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":7}}`)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"a request instead", script{"initialize": answer(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"unknown revision", script{"initialize": answer(strings.Replace(initOK, "2025-11-25", "2024-11-05", 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"no server name", script{"initialize": answer(strings.Replace(initOK, `"name":"s",`, "", 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"long version", script{"initialize": answer(strings.Replace(initOK, `"version":"1"`, `"version":"`+big+`"`, 1))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"long session", script{"initialize": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Mcp-Session-Id", big)
			answer(initOK)(w, r)
		}}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"session with a blank", script{"initialize": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Mcp-Session-Id", "a b")
			answer(initOK)(w, r)
		}}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"tools null", script{"tools/list": answer(`{"jsonrpc":"2.0","id":2,"result":{"tools":null}}`)}, mcpprobe.StepListTools, 200, mcpprobe.ErrProtocol},
		{"tool without name", script{"tools/list": answer(`{"jsonrpc":"2.0","id":2,"result":{"tools":[{}]}}`)}, mcpprobe.StepListTools, 200, mcpprobe.ErrProtocol},
		{"tool with a long name", script{"tools/list": answer(strings.Replace(listOK, `"a"`, `"`+big+`"`, 1))}, mcpprobe.StepListTools, 200, mcpprobe.ErrProtocol},
		{"many tools", script{"tools/list": answer(`{"jsonrpc":"2.0","id":2,"result":{"tools":[` + strings.Repeat(`{"name":"a"},`, 5000) + `{"name":"a"}]}}`)}, mcpprobe.StepListTools, 200, mcpprobe.ErrProtocol},
		{"JSON-RPC error", script{"tools/list": func(w http.ResponseWriter, r *http.Request) {
			answer(`{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"`+r.Header.Get("Authorization")+`"}}`)(w, r)
		}}, mcpprobe.StepListTools, 200, mcpprobe.ErrRefused},
		{"stream without answer", script{"initialize": events("data: \n\n:x\n\n")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"stream cut in the event", script{"initialize": events("data: " + initOK + "\n")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"stream of junk", script{"initialize": events("data: junk\n\n")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"answer in another event", script{"initialize": events("event: ping\ndata: " + initOK + "\n\n")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrProtocol},
		{"endless json", script{"initialize": endless("application/json", strings.Repeat(" ", 1<<16))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrTooLarge},
		{"endless comments", script{"initialize": endless("text/event-stream", ": keep waiting\n\n")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrTooLarge},
		{"endless line", script{"initialize": endless("text/event-stream", strings.Repeat("data", 1<<14))}, mcpprobe.StepInitialize, 200, mcpprobe.ErrTooLarge},
		{"endless notifications", script{"tools/list": endless("text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n")}, mcpprobe.StepListTools, 200, mcpprobe.ErrTooLarge},
		{"1 GiB announced", script{"initialize": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<30))
			endless("application/json", strings.Repeat("x", 1<<16))(w, r)
		}}, mcpprobe.StepInitialize, 200, mcpprobe.ErrTooLarge},
		{"gzip bomb", script{"initialize": bomb}, mcpprobe.StepInitialize, 200, mcpprobe.ErrTooLarge},
		{"not http", script{"initialize": raw("SSH-2.0-KEY\r\n")}, mcpprobe.StepInitialize, 0, mcpprobe.ErrUnreachable},
		{"status line that repeats the key", script{"initialize": raw("HTTP/1.1 KEY\r\n\r\n")}, mcpprobe.StepInitialize, 0, mcpprobe.ErrUnreachable},
		{"header that repeats the key", script{"initialize": raw("HTTP/1.1 200 OK\r\nKEY\r\n\r\n")}, mcpprobe.StepInitialize, 0, mcpprobe.ErrUnreachable},
		{"closed at once", script{"initialize": raw("")}, mcpprobe.StepInitialize, 0, mcpprobe.ErrUnreachable},
		{"body cut", script{"initialize": raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrUnreachable},
		{"bad chunk", script{"initialize": raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n")}, mcpprobe.StepInitialize, 200, mcpprobe.ErrUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res, err := probe(t, tc.srv)
			var failed *mcpprobe.Error
			if !errors.Is(err, tc.want) || !errors.As(err, &failed) {
				t.Fatalf("got %+v, %v; want %v", res, err, tc.want)
			}
			if failed.Step != tc.step || failed.Status != tc.code {
				t.Errorf("%v: step %s, status %d; want %s, %d", err, failed.Step, failed.Status, tc.step, tc.code)
			}
		})
	}
}

func TestOddButRightServers(t *testing.T) {
	t.Parallel()
	for name, srv := range map[string]script{
		"plain":             {},
		"older revision":    {"initialize": answer(strings.Replace(initOK, "2025-11-25", "2025-06-18", 1))},
		"stream":            {"initialize": events("id: 1\ndata: \n\n: hi\nevent: message\nid: 2\ndata: " + initOK + "\n\n")},
		"CRLF, no blank":    {"initialize": events("\ufeffretry: 5\r\ndata:" + initOK + "\r\n\r\n")},
		"answer in lines":   {"tools/list": events("data: {\"jsonrpc\":\"2.0\",\"id\":2,\ndata: \"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n")},
		"chatter first":     {"tools/list": events("data: {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\ndata: " + listOK + "\n\n")},
		"stream stays open": {"tools/list": func(w http.ResponseWriter, r *http.Request) { events("data: "+listOK+"\n\n")(w, r); silent(w, r) }},
		"200 and a body":    {"notifications/initialized": status(200)},
		"refuses the goodbye": {"initialize": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Mcp-Session-Id", "s1")
			answer(initOK)(w, r)
		}, http.MethodDelete: status(405)},
		"never answers the goodbye": {"initialize": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Mcp-Session-Id", "s1")
			answer(initOK)(w, r)
		}, http.MethodDelete: silent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := probe(t, srv)
			if err != nil || res.ServerName != "s" || len(res.Tools) != 1 || res.Tools[0] != "a" {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
}

func TestPagesThatNeverEnd(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(int) string{
		"same cursor":     func(int) string { return "again" },
		"new cursors":     func(i int) string { return fmt.Sprint("c", i) },
		"cursors in turn": func(i int) string { return fmt.Sprint("c", i%2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			_, err := probe(t, script{"tools/list": func(w http.ResponseWriter, r *http.Request) {
				n := int(calls.Add(1))
				answer(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"tools":[{"name":"a"}],"nextCursor":%q}}`, n+1, next(n)))(w, r)
			}})
			if !errors.Is(err, mcpprobe.ErrProtocol) || calls.Load() > 64 {
				t.Errorf("%v after %d calls", err, calls.Load())
			}
		})
	}
}

// The key goes to no other place, not even on the same host.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(target.Close)
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{target.URL, "/mcp", "http://169.254.169.254/"} {
			_, err := probe(t, script{"initialize": status(code, "Location", to)})
			var failed *mcpprobe.Error
			if !errors.Is(err, mcpprobe.ErrRedirect) || !errors.As(err, &failed) || failed.Status != code {
				t.Errorf("%d to %s: %v", code, to, err)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests elsewhere", n)
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	t.Parallel()
	key := secret.New(secret.Key)
	for _, step := range []mcpprobe.Step{mcpprobe.StepInitialize, mcpprobe.StepListTools} {
		server := httptest.NewServer(script{string(step): silent})
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
		})
		req := mcpprobe.Request{URL: server.URL, Secret: key}

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // the step before must be over by then
		_, err := mcpprobe.Probe(ctx, req)
		cancel()
		var failed *mcpprobe.Error
		if !errors.Is(err, mcpprobe.ErrTimeout) || !errors.As(err, &failed) || failed.Step != step {
			t.Errorf("deadline in %s: %v", step, err)
		}

		impatient := &http.Client{Timeout: 100 * time.Millisecond}
		if _, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: server.URL, Secret: key, HTTP: impatient}); !errors.Is(err, mcpprobe.ErrTimeout) {
			t.Errorf("client's timeout in %s: %v", step, err)
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := mcpprobe.Probe(ctx, req); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled in %s: %v", step, err)
		}
		cancel()
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	key := secret.New(secret.Key)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	secure := httptest.NewUnstartedServer(script{})
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(script{})
	t.Cleanup(plain.Close)
	for name, tc := range map[string]struct{ url, want string }{
		"nobody listens":      {"http://" + closed + "/?q=hushhush", "connection refused"},
		"unknown certificate": {secure.URL + "/?q=hushhush", "certificate signed by unknown authority"},
		"http behind https":   {strings.Replace(plain.URL, "http:", "https:", 1) + "/?q=hushhush", "http, not https"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mcpprobe.Probe(t.Context(), mcpprobe.Request{URL: tc.url, Secret: key})
			if !errors.Is(err, mcpprobe.ErrUnreachable) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hushhush") {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
		})
	}
}

// stop is a transport that notes the deadline it was given.
type stop struct{ left time.Duration }

func (s *stop) RoundTrip(r *http.Request) (*http.Response, error) {
	if deadline, ok := r.Context().Deadline(); ok {
		s.left = time.Until(deadline)
	}
	return nil, io.ErrUnexpectedEOF
}

func TestDeadlineIsTenSecondsUnlessGiven(t *testing.T) {
	t.Parallel()
	given, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for ctx, want := range map[context.Context]time.Duration{t.Context(): 10 * time.Second, given: time.Hour} {
		transport := &stop{}
		_, err := mcpprobe.Probe(ctx, mcpprobe.Request{URL: "http://127.0.0.1:1/", Secret: secret.New(secret.Key), HTTP: &http.Client{Transport: transport}})
		if !errors.Is(err, mcpprobe.ErrUnreachable) || transport.left > want || transport.left < want-5*time.Second {
			t.Errorf("%v with %s left, want %s", err, transport.left, want)
		}
	}
}
