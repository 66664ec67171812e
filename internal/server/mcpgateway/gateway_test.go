package mcpgateway

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

const (
	call  = `{"jsonrpc":"2.0","id":7,"method":"tools/call"}`
	first = "data: 1\n\n"
)

func TestWhatEndsAStream(t *testing.T) {
	t.Parallel()
	const told = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32603,\"message\":\"the key is disabled\",\"data\":{\"request_id\":\"req_1\"}}}\n\n"
	const noAnswer = `key_id=key_1 error="whether the key still opens could not be found out"`
	for name, tt := range map[string]struct {
		method, said string
		end          func(*site)
		rest         string
		cut          bool // the client sees that the answer has no end
		log          string
	}{
		"a refused key's call":            {"POST", first, func(s *site) { s.refuse("the key is disabled") }, told, false, ""},
		"a refused key's call, mid-event": {"POST", "data: 1\ndata:", func(s *site) { s.refuse("the key is disabled") }, "", true, ""},
		"the same, with CR LF":            {"POST", "data: 1\r\n\r\n", func(s *site) { s.refuse("the key is disabled") }, told, false, ""},
		"the same, after its first line":  {"POST", "data: 1\r\n", func(s *site) { s.refuse("the key is disabled") }, "", true, ""},
		"the same, with CR":               {"POST", "data: 1\r\r", func(s *site) { s.refuse("the key is disabled") }, told, false, ""},
		"a refused key's stream":          {"GET", first, func(s *site) { s.refuse("the key is disabled") }, "", true, ""},
		"a store without an answer":       {"POST", first, func(s *site) { s.unknown.Store(true) }, "", true, noAnswer},
		"the same, of a stream":           {"GET", first, func(s *site) { s.unknown.Store(true) }, "", true, noAnswer},
		"the stop of a stream":            {"GET", first, func(s *site) { s.Drain() }, "", false, ""},
		"the stop of a stream, mid-event": {"GET", "data: 1\ndata:", func(s *site) { s.Drain() }, "", true, ""},
		"the stop of a call, after grace": {"POST", first, func(s *site) { s.Drain(); s.Drain() }, "", true, ""},
		"silence":                         {"GET", first, nil, "", true, "nothing was sent for too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, streaming(tt.said), func(b *bounds) {
				b.grace = 50 * time.Millisecond
				if tt.end == nil {
					b.idle = 100 * time.Millisecond
				}
			})
			body := s.started(tt.method, tt.said)
			if tt.end != nil {
				tt.end(s)
			}
			rest, err := io.ReadAll(body)
			if string(rest) != tt.rest || (err != nil) != tt.cut {
				t.Errorf("%q, %v", rest, err)
			}
			if !strings.Contains(s.log.String(), tt.log) || tt.log == "" && s.log.String() != "" {
				t.Errorf("the log says %q", s.log)
			}
		})
	}
}

func TestAServiceThatStopsTakesNoMore(t *testing.T) {
	t.Parallel()
	s := newSite(t, streaming(first), nil)
	s.Drain()
	if s.streams.grace != nil {
		t.Error("there is nothing to wait for")
	}
	if res := s.open("GET", ""); res.StatusCode != http.StatusServiceUnavailable {
		t.Error(res.Status)
	}
}

func TestARequestThatIsNotAnsweredYetEndsWithWhyItsKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
	s.refuse("the key is disabled")
	if res := s.open("POST", call); res.StatusCode != http.StatusUnauthorized {
		t.Error(res.Status)
	}
	if err := <-s.problem; err.Error() != "the key is disabled" {
		t.Error(err)
	}
}

func TestUpstreamsThatFail(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	slow := newSite(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		func(b *bounds) { b.header = 50 * time.Millisecond })
	for name, tt := range map[string]struct {
		*site
		want int
		log  string
	}{
		"slow":      {slow, http.StatusGatewayTimeout, "timeout awaiting response headers"},
		"untrusted": {before(t, secure.URL, nil), http.StatusBadGateway, "certificate signed by unknown authority"},
	} {
		res := tt.open("POST", call)
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != tt.want || !strings.Contains(string(body), `"id":7`) || strings.Contains(string(body), tt.log) {
			t.Errorf("%s: %s %s %v", name, res.Status, body, err)
		}
		if !strings.Contains(tt.site.log.String(), tt.log) {
			t.Errorf("%s: the log says %q", name, tt.site.log)
		}
	}
}

func TestAnAnswerThatIsCutIsCutForTheClientAndLogged(t *testing.T) {
	t.Parallel()
	for kind, said := range map[string]string{"text/event-stream": "data: 1\ndata: hal", "application/json": `{"half":`} {
		s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, said)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), nil)
		got, err := io.ReadAll(s.open("POST", call).Body)
		if string(got) != said || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q, %v", got, err)
		}
		if log := s.log.String(); !strings.Contains(log, "answer was cut") || !strings.Contains(log, "unexpected EOF") || !strings.Contains(log, "request_id=req_1") {
			t.Errorf("the log says %q", log)
		}
	}
}

func TestAnAnswerWithoutAnEndIsNotKept(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "application/json")
		for block := strings.Repeat("x", 1<<16); ; {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	}), func(b *bounds) { b.write = 100 * time.Millisecond })
	s.open("POST", call) // nothing reads the answer: a write has to end by its deadline
	select {
	case <-left:
	case <-time.After(patience):
		t.Error("the upstream still writes")
	}
}

// A stream outlives the deadline of one write, and the connection's own.
func TestWritesHaveADeadlineEach(t *testing.T) {
	t.Parallel()
	s := newSite(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 4 {
			fmt.Fprint(w, first)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(300 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
	}), func(b *bounds) { b.write = 250 * time.Millisecond })
	got, err := io.ReadAll(s.open("GET", "").Body)
	if err != nil || string(got) != strings.Repeat(first, 4) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAKeyHasSoManyOpen(t *testing.T) {
	t.Parallel()
	s := newSite(t, streaming(first), func(b *bounds) { b.perKey = 2 })
	s.started("GET", first)
	s.started("POST", first)
	res := s.open("POST", call)
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "1" || s.Open() != 2 {
		t.Errorf("%s %v, %d are open", res.Status, res.Header, s.Open())
	}
	s.refuse("the key is disabled")
	s.empty()
	s.refused.Store(nil)
	s.started("GET", first) // there is room again
	s.refuse("the key is disabled")
}
