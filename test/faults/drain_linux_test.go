package faults

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// TestDrain: a replica that gets SIGTERM under load says first that it is not ready, goes on serving until balancers have noticed, and
// then answers what it has begun; open MCP streams end as streams do. Nobody waits for it any more.
func TestDrain(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(upstream.Close)
	const delay = 2 * time.Second
	c := newCluster(t, "", "--drain-delay", delay.String(), "--mcp-upstream", upstream.URL+"/mcp")
	n := c.nodes[0]
	key := n.makeKeys(t, 1)["k0"]
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	b := newBalancer(ctx, t, &group, c.nodes)
	for i := range 4 {
		group.Go(func() { b.busy(func() bool { return ctx.Err() == nil }, i, n.session, key) }) //nolint:contextcheck // each request has its own end
	}
	b.more(100)
	stream := n.stream(t, key)
	slow := n.begun(t)

	process, url := n.cmd, n.url
	began := time.Now()
	_ = process.Process.Signal(syscall.SIGTERM)
	unready, refused := n.turns(t, url)
	t.Logf("not ready after %s, no connection is taken after %s", unready.Sub(began), refused.Sub(began))
	if refused.Sub(unready) < delay*3/4 {
		t.Errorf("between the end of readiness and that of the listener are %s", refused.Sub(unready))
	}
	if rest, err := io.ReadAll(stream); err != nil || len(rest) > 0 {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
	if answer := slow("begun"); !strings.HasPrefix(answer, "HTTP/1.1 201 ") || !strings.Contains(answer, "\nConnection: close\r\n") {
		t.Errorf("what was begun is answered with %q", answer)
	}
	late := time.AfterFunc(wait, n.signalKill)
	if err := process.Wait(); err != nil {
		t.Errorf("it ends with %v\n%s", err, n.log)
	}
	late.Stop()
	n.cmd = nil
	took := time.Now()
	c.nodes[1].wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k0/disable", n.session.Reveal(), "")
	if waited := time.Since(took); waited > 700*time.Millisecond {
		t.Errorf("a change right after it took %s", waited)
	}
	cancel()
	group.Wait()
	t.Logf("%d requests were answered, %d of them at the second replica", b.asked.Load(), b.repeated.Load())
}

// busy creates and checks keys.
func (b *balancer) busy(going func() bool, who int, owner secret.Secret, key string) {
	for i := 0; going() && !b.Failed(); i++ {
		if i%4 == 0 {
			name := fmt.Sprintf("b-%d-%d", who, i)
			b.wants(http.StatusCreated, http.MethodPost, "/v1/orgs/acme/keys", owner, `{"name":"`+name+`"}`, "Idempotency-Key", `"`+name+`"`)
			continue
		}
		if status, text := b.do(http.MethodGet, "/v1/authz", key, ""); status != http.StatusNoContent && status != http.StatusUnauthorized {
			b.Errorf("a check: %d %s", status, text)
		}
	}
}

// turns returns when a service that gets connections of its own says that it is not ready, and when it takes no more of them.
func (n *node) turns(t *testing.T, url string) (unready, refused time.Time) {
	t.Helper()
	for until := time.Now().Add(wait); time.Now().Before(until); <-time.After(5 * time.Millisecond) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			if unready.IsZero() {
				t.Error("it takes no connection, and never said that it is not ready")
			}
			return unready, time.Now()
		}
		_ = conn.SetDeadline(time.Now().Add(wait))
		_, _ = io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		line, _ := bufio.NewReader(conn).ReadString('\n') // the listener may have ended since
		_ = conn.Close()
		if unready.IsZero() && strings.HasPrefix(line, "HTTP/1.1 503 ") {
			unready = time.Now()
		}
	}
	t.Fatal("it does not stop")
	return unready, refused
}

// stream opens a stream through the MCP gateway and reads its first event.
func (n *node) stream(t *testing.T, key string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/mcp", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Accept", "text/event-stream")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	event := make([]byte, len("data: 1\n\n"))
	if _, err := io.ReadFull(res.Body, event); err != nil {
		t.Fatal(err, res.Status)
	}
	return res.Body
}

// begun begins to create a key: the service has its header, and waits for its body.
func (n *node) begun(t *testing.T) (finish func(name string) (answer string)) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(wait))
	body := func(name string) string { return `{"name":"` + name + `"}` }
	_, err = fmt.Fprintf(conn, "POST /v1/orgs/acme/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", n.session.Reveal(), len(body("begun")))
	if err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatal(line, err)
	}
	_, _ = reader.ReadString('\n') // the empty line after it
	return func(name string) string {
		_, _ = io.WriteString(conn, body(name)) // what comes back says whether it got there
		all, err := io.ReadAll(reader)
		if err != nil {
			t.Errorf("%q, %v", all, err)
		}
		return string(all)
	}
}

// TestSecondSignal: who sends SIGTERM twice does not want to wait.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.more = []string{"--drain-delay", "1m"}
	s.start()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	for until := time.Now().Add(wait); !strings.Contains(s.log.String(), "stopping"); <-time.After(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it does not stop")
		}
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(wait, s.signalKill)
	defer late.Stop()
	err := s.cmd.Wait()
	if state := s.cmd.ProcessState.Sys().(syscall.WaitStatus); state.Signal() != syscall.SIGTERM {
		t.Errorf("it ends with %v", err)
	}
	s.cmd = nil
	s.more = nil
	s.start() // what is left lying does not matter
	s.stop()
	s.sound()
}
