package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSlowConnections: who sends a request for ever is cut off.
func TestSlowConnections(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	secret := s.makeKeys(t, 1)["k0"]
	authorized := "Host: " + s.host() + "\r\nAuthorization: Bearer " + s.session.Reveal() + "\r\n"
	var cases sync.WaitGroup
	create := "POST /v1/orgs/acme/keys HTTP/1.1\r\n" + authorized + "Content-Type: application/json\r\n"
	for name, tt := range map[string]struct {
		sends  string
		slowly string // one byte each 100 ms, over and over
		most   time.Duration
		answer string // how the answer begins; empty: none
	}{
		"nothing":                     {"", "", 10 * time.Second, ""},
		"half a request line":         {"GET /v1/aut", "", 10 * time.Second, ""},
		"half a header":               {"GET /v1/authz HTTP/1.1\r\nHost: x\r\nX-Filler: ", "", 10 * time.Second, ""},
		"a header without end":        {"GET /v1/authz HTTP/1.1\r\nHost: x\r\nX-Filler: ", "a", 10 * time.Second, ""},
		"a body that never comes":     {create + "Content-Length: 50\r\n\r\n", "", 20 * time.Second, "HTTP/1.1 400"},
		"a body byte by byte":         {create + "Content-Length: 5000\r\n\r\n{\"name\":\"", "x", 20 * time.Second, "HTTP/1.1 400"},
		"chunks without end":          {create + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 20 * time.Second, "HTTP/1.1 400"},
		"a body shorter than it says": {create + "Content-Length: 500\r\n\r\n{\"name\":\"short\"}", "", 20 * time.Second, "HTTP/1.1 400"},
	} {
		cases.Go(func() { // all at once: they only wait
			if err := cutOff(t, s, tt.sends, tt.slowly, tt.answer, tt.most); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	cases.Wait()
	s.wants(http.StatusNotFound, http.MethodGet, "/v1/orgs/acme/keys/short", s.session.Reveal(), "")
	s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", secret, "")
	if strings.Contains(s.log.String(), "panic") || strings.Contains(s.log.String(), secret) {
		t.Errorf("the log:\n%s", s.log)
	}
}

// cutOff wants a connection on which this is sent to end in time.
func cutOff(t *testing.T, s *service, sends, slowly, want string, most time.Duration) error {
	t.Helper()
	began := time.Now()
	conn, err := (&net.Dialer{Timeout: wait}).DialContext(t.Context(), "tcp", s.host())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(sends))
	ended := make(chan struct{})
	defer close(ended)
	if slowly != "" {
		go trickle(conn, slowly, ended)
	}
	_ = conn.SetReadDeadline(began.Add(most + wait))
	answer, err := io.ReadAll(conn)
	took := time.Since(began)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() || took > most+2*time.Second {
		return fmt.Errorf("it is open after %s (%w)", took, err)
	}
	if want == "" && strings.Contains(string(answer), " 20") || !strings.HasPrefix(string(answer), want) {
		return fmt.Errorf("it answers %q", answer)
	}
	return nil
}

func trickle(conn net.Conn, text string, ended <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ended:
			return
		case <-tick.C:
			if _, err := conn.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
		}
	}
}

// TestOddFraming: requests whose length is told in two ways or wrongly are never taken for two (RFC 9112 §6.3, §11.2).
func TestOddFraming(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	head := "POST /v1/orgs/acme/keys HTTP/1.1\r\nHost: " + s.host() + "\r\nAuthorization: Bearer " + s.session.Reveal() +
		"\r\nContent-Type: application/json\r\n"
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: " + s.host() + "\r\nConnection: close\r\n\r\n"
	all := "Content-Length: " + strconv.Itoa(len("0\r\n\r\n"+smuggled)) + "\r\n"
	for name, tt := range map[string]struct{ sends, answer string }{
		"length and chunks":     {head + all + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400"},
		"chunks and length":     {head + "Transfer-Encoding: chunked\r\n" + all + "\r\n0\r\n\r\n" + smuggled, "400"},
		"two lengths":           {head + "Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}" + smuggled, "400"},
		"a negative length":     {head + "Content-Length: -1\r\n\r\n" + smuggled, "400"},
		"a length with a sign":  {head + "Content-Length: +2\r\n\r\n{}" + smuggled, "400"},
		"a length beyond int64": {head + "Content-Length: 99999999999999999999\r\n\r\n{}", "400"},
		"an unknown encoding":   {head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, "501"},
		"a wrong chunk size":    {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + smuggled, "400"},
		"a space before colon":  {head + "Content-Length : 2\r\n\r\n{}" + smuggled, "400"},
		"too many headers":      {head + strings.Repeat("X-Filler: "+strings.Repeat("a", 1000)+"\r\n", 40) + "\r\n", "431"},
		"HTTP/0.9":              {"GET /v1/authz\r\n\r\n", "400"},
		"HTTP/3 by name":        {"GET /v1/authz HTTP/3.0\r\n\r\n", "505"},
		"no request":            {"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dial(t)
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(wait))
			if _, err := conn.Write([]byte(tt.sends)); err != nil {
				t.Fatal(err)
			}
			answers, err := io.ReadAll(conn) // a reset after the answer is as good as an end
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("it is open: %v", err)
			}
			if !strings.HasPrefix(string(answers), "HTTP/1.1 "+tt.answer) || strings.Count(string(answers), "HTTP/1.1 ") != 1 {
				t.Errorf("it answers %q", answers)
			}
		})
	}
	t.Cleanup(func() { s.wants(http.StatusOK, http.MethodGet, "/v1/session", s.session.Reveal(), "") })
}

// TestManyConnections: ten thousand that do nothing and a thousand with half a header cost the others next to nothing.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	idle, half := 10_000, 1000
	if most := int(limit.Cur) - 1000; idle+half > most {
		idle = most - half
	}
	if idle < half {
		t.Skipf("only %d files may be open", limit.Cur)
	}
	s := newService(t)
	s.start()
	secret := s.makeKeys(t, 1)["k0"]
	var held []net.Conn
	defer func() {
		for _, c := range held {
			_ = c.Close()
		}
	}()
	for i := range idle + half {
		c := s.dial(t)
		held = append(held, c)
		if i >= idle {
			_, _ = c.Write([]byte("GET /v1/authz HTTP/1.1\r\nHost: x\r\nX-Filler: "))
		}
	}
	var took []time.Duration
	for range 500 {
		began := time.Now()
		s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", secret, "")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("%d idle and %d half open connections: p99 of a check on a new connection %s", idle, half, p99)
	if p99 > 100*time.Millisecond {
		t.Errorf("p99 %s, at most 100 ms", p99)
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	var group sync.WaitGroup
	for _, c := range held[idle:] { // the half ones are closed within 10 s
		group.Go(func() {
			end, _ := ctx.Deadline()
			_ = c.SetReadDeadline(end)
			if _, err := io.Copy(io.Discard, bufio.NewReader(c)); errors.Is(err, context.DeadlineExceeded) {
				t.Error("a half open connection is still there")
			}
		})
	}
	group.Wait()
}

func (s *service) host() string { return strings.TrimPrefix(s.url, "http://") }

func (s *service) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: wait}).DialContext(t.Context(), "tcp", s.host())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
