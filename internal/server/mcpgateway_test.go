package server

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/server/mcpgateway"
	"github.com/keyfob/keyfob/pkg/api"
)

const call7 = `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"},"id":7}`

// guarding returns a service whose /mcp guards the upstream.
func guarding(t *testing.T, upstream http.Handler) (h *harness, down func()) {
	t.Helper()
	h = newHarness(t)
	behind := httptest.NewServer(upstream)
	t.Cleanup(func() { behind.CloseClientConnections(); behind.Close() })
	target, err := url.Parse(behind.URL + "/base/mcp")
	noError(t, err)
	log := slog.New(slog.NewTextHandler(h.log, nil))
	cfg := h.server.Config
	cfg.Gateway = mcpgateway.New(target, cfg.PublicURL, log)
	h.server = New(cfg)
	web := httptest.NewUnstartedServer(nil)
	web.Config = NewHTTPServer(h.server, log)
	web.Start()
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	h.url, h.client = web.URL, &http.Client{Timeout: 20 * time.Second, Transport: web.Client().Transport}
	return h, func() { behind.CloseClientConnections(); behind.Close() }
}

func TestTheGatewayTakesTheKeyOutAndSaysWhoCalls(t *testing.T) {
	t.Parallel()
	var seen *http.Request
	var body []byte
	h, _ := guarding(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r
		body, _ = io.ReadAll(r.Body)
		for name, value := range map[string]string{
			"Content-Type": "application/json", "Mcp-Session-Id": "s", "Set-Cookie": "a=b", "X-Accel-Redirect": "/x",
			"Access-Control-Allow-Origin": "*", "Request-Id": "theirs",
		} {
			w.Header().Set(name, value)
		}
		fmt.Fprint(w, `{}`)
	}))
	key, secret := h.newKey(h.acme, "Straße")
	session := h.callMCP("", call7, "X-API-Key", secret).want(http.StatusOK).header.Get("Mcp-Session-Id")
	a := h.callMCP("?a=1&api%5Fkey="+secret+"&b=2", call7, "Authorization", "Bearer "+secret, "X-API-Key", secret,
		"Keyfob-Org", "root", "Keyfob_Org", "root", "Cookie", "c=d", "X-Forwarded-For", "10.0.0.1", "Forwarded", "for=10.0.0.1",
		"Mcp-Session-Id", session, "Mcp_Session_Id", "other", "Last-Event-Id", "5").want(http.StatusOK)
	var all strings.Builder
	_ = seen.Header.Write(&all)
	if strings.Contains(all.String()+seen.URL.String(), secret) || seen.URL.String() != "/base/mcp?a=1&b=2" || string(body) != call7 {
		t.Errorf("%s %s %s", seen.URL, all.String(), body)
	}
	for name, want := range map[string]string{
		"Keyfob-Org": "acme", "Keyfob-Key-Id": key.ID, "Keyfob-Key-Name": "Stra%C3%9Fe", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Host": "keys.example.com", "X-Forwarded-Proto": "https", "Forwarded": "", "Cookie": "", "Keyfob_Org": "",
		"Mcp-Session-Id": "s", "Mcp_Session_Id": "", "Last-Event-Id": "5", "Authorization": "", "X-Api-Key": "",
	} {
		if got := strings.Join(seen.Header[http.CanonicalHeaderKey(name)], ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(session, "s.") || a.header.Get("Mcp-Session-Id") != session || !strings.HasPrefix(a.header.Get("Request-Id"), "req_") {
		t.Errorf("%v", a.header)
	}
	for _, name := range []string{"Set-Cookie", "X-Accel-Redirect", "Access-Control-Allow-Origin"} {
		if a.header.Get(name) != "" {
			t.Errorf("%s was passed on", name)
		}
	}
	if strings.Contains(h.log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

func TestASessionIsOfTheKeyThatBeganIt(t *testing.T) {
	t.Parallel()
	asked := 0
	h, _ := guarding(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if got := r.Header.Get("Mcp-Session-Id"); got != "" && got != "a.b" {
			t.Errorf("the upstream sees %q", got)
		}
		w.Header().Set("Mcp-Session-Id", "a.b")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{}`)
	}))
	key, mine := h.newKey(h.acme, "mine")
	_, other := h.newKey(h.acme, "other")
	_, theirs := h.newKey(h.globex, "theirs")
	session := h.callMCP("", call7, "X-API-Key", mine).want(http.StatusOK).header.Get("Mcp-Session-Id")
	for name, header := range map[string][]string{
		"another key":            {"X-API-Key", other, "Mcp-Session-Id", session},
		"another organisation's": {"X-API-Key", theirs, "Mcp-Session-Id", session},
		"the upstream's id":      {"X-API-Key", mine, "Mcp-Session-Id", "a.b"},
		"no tag":                 {"X-API-Key", mine, "Mcp-Session-Id", "a.b."},
		"cut":                    {"X-API-Key", mine, "Mcp-Session-Id", session[:len(session)-1]},
		"another session":        {"X-API-Key", mine, "Mcp-Session-Id", "x" + session},
		"empty":                  {"X-API-Key", mine, "Mcp-Session-Id", ""},
		"two":                    {"X-API-Key", mine, "Mcp-Session-Id", session, "Mcp-Session-Id", session},
	} {
		a := h.callMCP("", call7, header...).want(http.StatusNotFound)
		if !strings.Contains(string(a.body), `"id":7,"error":{"code":-32600,`) || a.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: %s %v", name, a.body, a.header)
		}
	}
	if asked != 1 {
		t.Errorf("the upstream was asked %d times", asked)
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/keys/"+key.ID+"/disable", "").want(http.StatusOK)
	h.as(h.acme, "POST", "/v1/orgs/acme/keys/"+key.ID+"/enable", "").want(http.StatusOK)
	if a := h.callMCP("", call7, "X-API-Key", mine, "Mcp-Session-Id", session).want(http.StatusOK); a.header.Get("Mcp-Session-Id") != session {
		t.Errorf("%v", a.header)
	}
}

func TestTheGatewayAnswersForAnUpstreamThatDoesNot(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   int
	}{
		"401": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, 502},
		"403": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, 502},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/base/mcp", http.StatusTemporaryRedirect)
		}, 502},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<p>")
		}, 502},
		"giant header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<17)) }, 502},
		"cut":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502},
		"gone":         {nil, 502},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, down := guarding(t, tt.answer)
			_, secret := h.newKey(h.acme, "k")
			if tt.answer == nil {
				down()
			}
			a := h.callMCP("", call7, "X-API-Key", secret).want(tt.want)
			got := decodeAs[struct {
				ID    int
				Error struct {
					Code    int
					Message string
				}
			}](a)
			if got.ID != 7 || got.Error.Code != -32603 || !strings.Contains(got.Error.Message, a.header.Get("Request-Id")) || a.header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s %v", a.body, a.header)
			}
			if !strings.Contains(h.log.String(), "the MCP upstream failed") {
				t.Error("the log has no reason")
			}
		})
	}
	h, _ := guarding(t, http.NotFoundHandler())
	_, secret := h.newKey(h.acme, "k")
	h.callMCP("", call7+strings.Repeat(" ", 4<<20), "X-API-Key", secret).want(http.StatusRequestEntityTooLarge)
	h.callMCP("", call7).problem(api.CodeUnauthenticated)
}

func TestARevokedKeysStreamsEnd(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	h, _ := guarding(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	key, secret := h.newKey(h.acme, "k")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/mcp", nil)
	noError(t, err)
	req.Header.Set("X-Api-Key", secret)
	res, err := h.client.Do(req)
	noError(t, err)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "data: 1\n" { // at once, though the answer goes on
		t.Fatalf("%q, %v", line, err)
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/keys/"+key.ID+"/disable", "").want(http.StatusOK)
	begun := time.Now()
	_, _ = io.ReadAll(lines)
	if took := time.Since(begun); took > 5*time.Second { // a second is promised; a busy machine may take longer
		t.Errorf("the stream stayed open for %v", took)
	}
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the upstream's request goes on")
	}
	h.call("GET", "/mcp", "", "X-API-Key", secret).want(http.StatusUnauthorized)
}
