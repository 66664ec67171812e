package server

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/api"
)

// TestConnectionsThatAreEnded by an administrator in the middle of a change: who asked is told whether it was undone or is in doubt,
// and either can be made again, once.
func TestConnectionsThatAreEnded(t *testing.T) {
	t.Parallel()
	h := newHeldOn(t, dbtest.On(t, pgtest.Own(t), map[string]string{"lock_timeout": "0"}))
	h.newKey(h.acme, "here") // what a session's first call writes is written
	for name, tt := range map[string]struct {
		hold        func() (release func())
		detail, fix string
	}{
		"before its commit": {
			func() func() { return h.hold(`LOCK TABLE events IN SHARE MODE`) },
			"the store can't be read and written", "try again",
		},
		"when changes are numbered": {
			func() func() { return h.hold(`SELECT FROM key_changes WHERE id = 1 FOR UPDATE`) },
			"the store can't be read and written", "try again",
		},
		"when it was kept": {h.noStandby, "the store did not say whether the change was kept", "Idempotency-Key"},
	} {
		body := `{"name":` + quote(name) + `}`
		create := func() answer { return h.as(h.acme, "POST", keysPath, body, "Idempotency-Key", name) }
		release := tt.hold()
		answered := make(chan answer, 1)
		go func() { answered <- create() }()
		h.waits(1)
		h.end()
		a := <-answered
		release()
		if p := a.problem(api.CodeUnavailable); p.Detail != tt.detail || !strings.Contains(p.Fix, tt.fix) {
			t.Errorf("%s: it says %q, %q", name, p.Detail, p.Fix)
		}
		first, again := create().want(http.StatusCreated), create().want(http.StatusCreated)
		if decodeAs[api.KeyWithSecret](first).Secret != decodeAs[api.KeyWithSecret](again).Secret {
			t.Errorf("%s: two keys of one request", name)
		}
	}
}

// noStandby has the server wait for a standby that there is not, when a change is on its own disk already.
func (h *held) noStandby() (release func()) {
	h.t.Helper()
	set := func(standby string) {
		h.t.Helper()
		for _, q := range []string{`ALTER SYSTEM SET synchronous_standby_names = '` + standby + `'`, `SELECT pg_reload_conf()`} {
			_, err := h.watch.Exec(h.t.Context(), q)
			noError(h.t, err)
		}
	}
	set("none")
	for waits := false; !waits; { // the server takes the setting over when it comes to it
		waits = h.commitWaits()
	}
	return func() {
		h.t.Helper()
		set("")
	}
}

// commitWaits says whether a commit waits for a standby, and has it wait no longer.
func (h *held) commitWaits() bool {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := h.other.Exec(ctx, `UPDATE readiness SET at = at + 1`)
		done <- err
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for waited := false; ; {
		select {
		case err := <-done:
			noError(h.t, err)
			return waited
		case <-tick.C:
			const stop = `SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`
			var waits bool
			noError(h.t, h.watch.QueryRow(ctx, stop, h.other.PgConn().PID()).Scan(&waits))
			waited = waited || waits
		}
	}
}

// end ends the sessions that wait.
func (h *held) end() {
	h.t.Helper()
	_, err := h.watch.Exec(h.t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND (wait_event_type = 'Lock' OR wait_event = 'SyncRep')`)
	noError(h.t, err)
}
