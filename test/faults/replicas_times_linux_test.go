package faults

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// TestReplicaTimes: how long a change takes until it is answered, and what a replica does that is cut off.
func TestReplicaTimes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "")
	a, b := c.nodes[0], c.nodes[1]
	key := a.makeKeys(t, 1)["k0"]
	session := a.session.Reveal()
	change := func(n *node, verb string) time.Duration {
		began := time.Now()
		n.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k0/"+verb, session, "")
		return time.Since(began)
	}
	c.settled(t, key, http.StatusNoContent)

	var took []time.Duration
	for range 100 {
		took = append(took, change(a, "disable"))
		for _, n := range c.nodes {
			n.wants(http.StatusUnauthorized, http.MethodGet, "/v1/authz", key, "")
		}
		took = append(took, change(b, "enable"))
		for _, n := range c.nodes {
			n.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", key, "")
		}
	}
	c.effective(t, a, 3)
	slices.Sort(took)
	t.Logf("a change with 3 replicas: median %s, p99 %s, at most %s", took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	if p99 := took[len(took)*99/100]; p99 > time.Second { // what it takes is a figure of docs/scale.md; this is that no lease had to run out
		t.Errorf("p99 %s", p99)
	}

	paused := c.nodes[2]
	_ = syscall.Kill(paused.cmd.Process.Pid, syscall.SIGSTOP)
	waited := change(a, "disable")
	again := change(a, "disable") // it is not waited for twice
	_ = syscall.Kill(paused.cmd.Process.Pid, syscall.SIGCONT)
	for _, n := range c.nodes {
		if status, text, err := n.ask(http.MethodGet, "/v1/authz", key, ""); err != nil || status != http.StatusUnauthorized && status != http.StatusServiceUnavailable {
			t.Errorf("after a pause: %d %s (%v)", status, text, err)
		}
	}
	t.Logf("with one paused: %s, and then %s", waited, again)
	if waited > 1500*time.Millisecond || again > 500*time.Millisecond {
		t.Errorf("with one paused: %s, and then %s", waited, again)
	}
	change(a, "enable")
	c.settled(t, key, http.StatusNoContent)

	began := time.Now()
	if _, err := b.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut","type":"timeout","attributes":{"timeout":0}}`)); err != nil {
		t.Fatal(err)
	}
	for {
		status, text, err := b.ask(http.MethodGet, "/v1/authz", key, "")
		if err != nil {
			t.Fatal(err)
		}
		if status == http.StatusServiceUnavailable {
			if !strings.Contains(text, "replica-stale") {
				t.Errorf("cut off: %s", text)
			}
			break
		}
		if time.Since(began) > wait {
			t.Fatal("it answers for ever")
		}
	}
	stopped := time.Since(began)
	t.Logf("a replica that is cut off stops to answer after %s", stopped)
	if stopped > time.Second {
		t.Errorf("it answers for %s", stopped)
	}
	b.wants(http.StatusServiceUnavailable, http.MethodGet, "/readyz", "", "")
	if err := b.proxy.Toxics.RemoveToxic(context.WithoutCancel(t.Context()), "cut"); err != nil {
		t.Error(err)
	}
	c.settled(t, key, http.StatusNoContent)

	b.stop() // in order: nobody waits for it
	if left := change(a, "disable"); left > 500*time.Millisecond {
		t.Errorf("after a replica left: %s", left)
	}
}

// effective wants a change to say how many replicas go by it, and since when.
func (c *cluster) effective(t *testing.T, n *node, replicas int) {
	t.Helper()
	began := time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/v1/orgs/acme/keys/k0/enable", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+n.session.Reveal())
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	at, err := time.Parse(time.RFC3339Nano, res.Header.Get(api.HeaderEffectiveAt))
	if got := res.Header.Get(api.HeaderReplicas); got != strconv.Itoa(replicas) || err != nil || at.Before(began.Add(-time.Millisecond)) || at.After(time.Now()) {
		t.Errorf("a change at %s: header %v (%v)", began, res.Header, err)
	}
}

// settled waits until every replica answers so.
func (c *cluster) settled(t *testing.T, key string, want int) {
	t.Helper()
	for _, n := range c.nodes {
		for until := time.Now().Add(wait); ; {
			status, text, err := n.ask(http.MethodGet, "/v1/authz", key, "")
			if status == want {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%d %s (%v)", status, text, err)
			}
		}
	}
}
