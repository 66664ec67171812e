package mcpgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/logtest"
)

// site is a gateway with short bounds before an upstream.
type site struct {
	*testing.T
	*Gateway
	url     string
	log     *logtest.Buffer
	refused atomic.Pointer[error] // what Still says
	unknown atomic.Bool           // that Still has no answer
	problem chan error            // what Serve returned
}

func newSite(t *testing.T, upstream http.Handler, change func(*bounds)) *site {
	t.Helper()
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http tells no handler that its client left while there is a body to read
		upstream.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { behind.CloseClientConnections(); behind.Close() })
	return before(t, behind.URL, change)
}

func before(t *testing.T, upstream string, change func(*bounds)) *site {
	t.Helper()
	s := &site{T: t, log: &logtest.Buffer{}, problem: make(chan error, 1)}
	b := defaults()
	b.check = 20 * time.Millisecond
	if change != nil {
		change(&b)
	}
	target, err := url.Parse(upstream + "/mcp")
	if err != nil {
		t.Fatal(err)
	}
	s.Gateway = newGateway(target, target, slog.New(slog.NewTextHandler(s.log, nil)), b)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", "req_1")
		err := s.Serve(w, r, Caller{Org: "acme", KeyID: "key_1", KeyName: "ci", Secret: "key_1/1", Still: func(context.Context) (error, error) {
			if s.unknown.Load() {
				return nil, errors.New("locked")
			}
			if refused := s.refused.Load(); refused != nil {
				return *refused, nil
			}
			return nil, nil
		}})
		if err != nil {
			s.problem <- err
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	s.url = web.URL
	t.Cleanup(s.empty)
	return s
}

// empty holds that nothing stays open and no timer runs.
func (s *site) empty() {
	for late := time.Now().Add(patience); ; <-time.After(time.Millisecond) {
		s.streams.mu.Lock()
		idle := len(s.streams.groups) == 0 && len(s.streams.perKey) == 0 && s.streams.timer == nil
		s.streams.mu.Unlock()
		if idle {
			return
		}
		if time.Now().After(late) {
			s.Errorf("%d are still open", s.Open())
			return
		}
	}
}

func (s *site) refuse(reason string) {
	err := errors.New(reason)
	s.refused.Store(&err)
}

// reply is an answer whose body is closed at the end of the test.
type reply struct {
	Status     string
	StatusCode int
	Header     http.Header
	Body       io.Reader
}

// open sends a request; its answer is to be read in time.
func (s *site) open(method, body string) reply {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, s.url, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = res.Body.Close() })
	return reply{res.Status, res.StatusCode, res.Header, res.Body}
}

// streaming answers with what is said, and goes on until the request ends.
func streaming(said string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, said)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// started opens a stream and reads what is said first.
func (s *site) started(method, said string) io.Reader {
	s.Helper()
	message := ""
	if method == http.MethodPost {
		message = call
	}
	body := s.open(method, message).Body
	got := make([]byte, len(said))
	if _, err := io.ReadFull(body, got); err != nil || string(got) != said {
		s.Fatalf("%q, %v", got, err)
	}
	return body
}
