package faults

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// balancer does what one before replicas does: it asks each whether it is ready, sends requests to those that are, one after the
// other, and repeats at the next what is answered with 503. A request that gets no answer at all is a failure of the test.
type balancer struct {
	*testing.T
	nodes []*node
	ready []atomic.Bool
	http  *http.Client

	turn, asked, repeated atomic.Int64
}

const probeEvery = 25 * time.Millisecond

// newBalancer probes until ctx ends; wait for the group then.
func newBalancer(ctx context.Context, t *testing.T, group *sync.WaitGroup, nodes []*node) *balancer {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	b := &balancer{T: t, nodes: nodes, ready: make([]atomic.Bool, len(nodes)), http: &http.Client{Transport: transport, Timeout: wait}}
	for i := range nodes {
		group.Go(func() { b.probe(ctx, i) })
	}
	return b
}

func (n *node) at() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

func (b *balancer) probe(ctx context.Context, i int) {
	for ctx.Err() == nil {
		status, _, err := b.send(ctx, i, http.MethodGet, "/readyz", "", "")
		b.ready[i].Store(err == nil && status == http.StatusOK)
		select {
		case <-ctx.Done():
		case <-time.After(probeEvery):
		}
	}
}

func (b *balancer) send(ctx context.Context, i int, method, path, bearer, body string, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.nodes[i].at()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	res, err := b.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// do makes a request until a replica answers it with something else than 503.
func (b *balancer) do(method, path, bearer, body string, header ...string) (status int, text string) {
	ctx := context.WithoutCancel(b.Context())
	for until := time.Now().Add(wait); time.Now().Before(until) && !b.Failed(); {
		i := int(b.turn.Add(1)) % len(b.nodes)
		if !b.ready[i].Load() {
			if b.none() {
				<-time.After(probeEvery)
			}
			continue
		}
		var err error
		if status, text, err = b.send(ctx, i, method, path, bearer, body, header...); err != nil {
			b.Errorf("%s %s got no answer: %v", method, path, err)
			return 0, ""
		}
		if status != http.StatusServiceUnavailable {
			b.asked.Add(1)
			return status, text
		}
		b.repeated.Add(1)
	}
	b.Errorf("%s %s: no replica answers: %d %s", method, path, status, text)
	return status, text
}

func (b *balancer) none() bool {
	for i := range b.ready {
		if b.ready[i].Load() {
			return false
		}
	}
	return true
}

// wants is do, and wants the status.
func (b *balancer) wants(want int, method, path string, bearer secret.Secret, body string, header ...string) string {
	status, text := b.do(method, path, bearer.Reveal(), body, header...)
	if status != want && !b.Failed() {
		b.Errorf("%s %s: %d %s, want %d", method, path, status, text, want)
	}
	return text
}

// everywhere wants no replica to let the key in, or to refuse it; 503 is none of the two.
func (b *balancer) everywhere(want int, key string) {
	for i := range b.nodes {
		if !b.ready[i].Load() {
			continue
		}
		status, text, err := b.send(context.WithoutCancel(b.Context()), i, http.MethodGet, "/v1/authz", key, "")
		if err != nil || status != want && status != http.StatusServiceUnavailable {
			b.Errorf("replica %d, a check: %d %s (%v), want %d", i, status, text, err, want)
		}
	}
}

// more waits until that many more requests were answered.
func (b *balancer) more(n int64) {
	b.Helper()
	until := time.Now().Add(3 * wait)
	for before := b.asked.Load(); b.asked.Load() < before+n && !b.Failed(); <-time.After(time.Millisecond) {
		if time.Now().After(until) {
			b.Fatal("the load does not go on")
		}
	}
}
