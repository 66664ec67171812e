package faults

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPausedWhileTheLogIsCut: a replica that is paused misses changes which are then no longer in the log. It does not take the rest
// for all there was: it begins with an empty memory.
func TestPausedWhileTheLogIsCut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, "")
	keys := c.nodes[0].makeKeys(t, 2)
	c.settled(t, keys["k0"], http.StatusNoContent)
	c.settled(t, keys["k1"], http.StatusNoContent)
	database, err := url.Parse(c.nodes[0].flags[1])
	if err != nil {
		t.Fatal(err)
	}
	sql := func(statements string) {
		t.Helper()
		c.server.Exec(t, c.server.Socket(database.Path[1:]), statements)
	}

	paused := c.nodes[2]
	_ = syscall.Kill(paused.cmd.Process.Pid, syscall.SIGSTOP)
	began := time.Now()
	// By another than a replica, who would find out that one does not answer and take it off the list.
	sql(`UPDATE keys SET disabled = true WHERE name = 'k0'; UPDATE keys SET disabled = true WHERE name = 'k1'`)
	sql(`UPDATE keys SET disabled = false WHERE name = 'k1'`)
	for _, n := range c.nodes[:2] {
		(&cluster{T: t, nodes: []*node{n}}).settled(t, keys["k0"], http.StatusUnauthorized)
	}
	sql(`DELETE FROM changes WHERE n < (SELECT n FROM key_changes)`)
	<-time.After(time.Second - time.Since(began)) // its lease ends
	_ = syscall.Kill(paused.cmd.Process.Pid, syscall.SIGCONT)
	for until := time.Now().Add(wait); ; {
		status, text, err := paused.ask(http.MethodGet, "/v1/authz", keys["k0"], "")
		if err == nil && status == http.StatusUnauthorized {
			break
		}
		if err != nil || status != http.StatusServiceUnavailable || time.Now().After(until) {
			t.Fatalf("after a pause: %d %s (%v)", status, text, err)
		}
	}
	c.settled(t, keys["k1"], http.StatusNoContent)
	if log := paused.log.String(); strings.Contains(log, "for dead") {
		t.Errorf("it joined anew, so nothing was shown:\n%s", log)
	}
}
