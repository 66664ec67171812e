package server

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
	"github.com/keyfob/keyfob/pkg/api"
)

// held is a service on PostgreSQL beside a session that holds what it needs.
type held struct {
	*harness
	other *pgx.Conn
	watch *pgx.Conn // a transaction sees what others do as it was when it first looked
}

func newHeld(t *testing.T, settings map[string]string) *held {
	t.Helper()
	return newHeldOn(t, dbtest.Postgres(t, settings))
}

func newHeldOn(t *testing.T, db dbtest.Database) *held {
	t.Helper()
	h := newHarness(t, func(c *core.Config) { c.Store = db.Open(t) })
	return &held{h, db.Session(t), db.Session(t)}
}

// hold runs statements in a transaction that stays open; release ends it.
func (h *held) hold(statements string) (release func()) {
	h.t.Helper()
	ctx := h.t.Context()
	tx, err := h.other.Begin(ctx)
	noError(h.t, err)
	_, err = tx.Exec(ctx, statements)
	noError(h.t, err)
	return func() {
		h.t.Helper()
		noError(h.t, tx.Rollback(ctx))
	}
}

// busy wants the answer of a service whose store is held, in time.
func (h *held) busy(what string, within time.Duration, ask func() answer) {
	h.t.Helper()
	began := time.Now()
	a := ask()
	if a.status != http.StatusServiceUnavailable {
		h.t.Fatalf("%s: %d %s", what, a.status, a.body)
	}
	p := a.problem(api.CodeUnavailable)
	if took := time.Since(began); took > within {
		h.t.Errorf("%s: it took %s to say that it is busy", what, took)
	}
	if p.Detail != "the store is busy" && p.Detail != "the service took too long" || p.Fix != "try again" {
		h.t.Errorf("%s: it says %q, %q", what, p.Detail, p.Fix)
	}
}

const soon = 5 * time.Second // of a wait that ends after a fifth of a second

// TestLocksOfOthers: whatever another session holds, each request ends in time, as busy and as nothing else, and leaves nothing.
func TestLocksOfOthers(t *testing.T) {
	t.Parallel()
	h := newHeld(t, map[string]string{"lock_timeout": "200ms"})
	_, secret := h.newKey(h.acme, "here")
	list := func() answer { return h.as(h.acme, "GET", keysPath, "") }
	create := func() answer { return h.as(h.acme, "POST", keysPath, `{"name":"new"}`) }
	self := func() answer { return h.call("GET", "/v1/self", "", "Authorization", "Bearer "+secret) }
	for _, tt := range []struct {
		held string
		asks map[string]func() answer
	}{
		{`LOCK TABLE keys IN ACCESS EXCLUSIVE MODE`, map[string]func() answer{"list": list, "create": create, "check": self}},
		{`LOCK TABLE secrets IN ACCESS EXCLUSIVE MODE`, map[string]func() answer{"list": list, "create": create, "check": self}},
		{`LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE`, map[string]func() answer{"list": list, "create": create}},
		{`LOCK TABLE events IN SHARE MODE`, map[string]func() answer{"create": create}},
		{`SELECT FROM key_changes WHERE id = 1 FOR UPDATE`, map[string]func() answer{"create": create}}, // waits in COMMIT
		{`LOCK TABLE key_changes IN ACCESS EXCLUSIVE MODE`, map[string]func() answer{"create": create, "check": self}},
		{`SELECT FROM orgs FOR UPDATE`, map[string]func() answer{"create": create}},
	} {
		release := h.hold(tt.held)
		for what, ask := range tt.asks {
			h.busy(tt.held+": "+what, soon, ask)
		}
		release()
		list().want(http.StatusOK)
	}
	self().want(http.StatusOK)
	h.as(h.acme, "GET", keysPath+"/new", "").problem(api.CodeKeyNotFound)
	create().want(http.StatusCreated)

	h.clock.add(time.Minute) // it asks the store again
	release := h.hold(`LOCK TABLE readiness IN ACCESS EXCLUSIVE MODE`)
	h.call("GET", "/readyz", "").want(http.StatusServiceUnavailable)
	release()
	h.call("GET", "/readyz", "").want(http.StatusOK)
}

// TestStatementsThatHang: a server that does not answer is given up.
func TestStatementsThatHang(t *testing.T) {
	t.Parallel()
	h := newHeld(t, map[string]string{"lock_timeout": "0", "statement_timeout": "200ms"})
	release := h.hold(`LOCK TABLE keys IN ACCESS EXCLUSIVE MODE`)
	h.busy("hangs", soon, func() answer { return h.as(h.acme, "GET", keysPath, "") })
	h.busy("hangs", soon, func() answer { return h.as(h.acme, "POST", keysPath, `{"name":"new"}`) })
	release()
	h.as(h.acme, "POST", keysPath, `{"name":"new"}`).want(http.StatusCreated)
}

// TestClientsThatLeave: requests that are given up in the middle of a transaction give their connections back and change nothing,
// whether they wait side by side or, for a while after changes met, one alone and the others behind it.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	const conns = 3
	h := newHeld(t, map[string]string{"pool_max_conns": strconv.Itoa(conns), "lock_timeout": "0"})
	for _, statement := range []string{`LOCK TABLE keys IN ACCESS EXCLUSIVE MODE`, `LOCK TABLE events IN SHARE MODE`} {
		for rounds, most := 1, 0; most < conns; rounds++ {
			release := h.hold(statement)
			most = h.leave(conns)
			release()
			h.as(h.acme, "GET", keysPath+"/new", "").problem(api.CodeKeyNotFound)
			if rounds == 20 {
				t.Fatalf("%s: at most %d of %d connections were in use", statement, most, conns)
			}
		}
	}
	h.as(h.acme, "POST", keysPath, `{"name":"new"}`).want(http.StatusCreated)
}

// leave sends requests that wait, gives all of them up when that many sessions wait or a moment has passed, and answers how many did.
func (h *held) leave(conns int) (waited int) {
	h.t.Helper()
	ctx, leave := context.WithCancel(h.t.Context())
	var all sync.WaitGroup
	for range 4 * conns {
		all.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+keysPath, strings.NewReader(`{"name":"new"}`))
			if err != nil {
				h.t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+h.acme.token)
			req.Header.Set("Content-Type", "application/json")
			if _, err := h.client.Do(req); !errors.Is(err, context.Canceled) { //nolint:bodyclose // there is none
				h.t.Errorf("who left was answered: %v", err)
			}
		})
	}
	waited = h.waiting(conns, time.Second)
	leave()
	all.Wait()
	h.waits(0)
	return waited
}

// waits returns when that many sessions wait for a lock or, when they commit, for a standby.
func (h *held) waits(want int) {
	h.t.Helper()
	if n := h.waiting(want, 20*time.Second); n != want {
		h.t.Fatalf("%d sessions wait, want %d", n, want)
	}
}

// waiting returns how many sessions wait, as soon as it is so many and that long after at the latest.
func (h *held) waiting(want int, atMost time.Duration) int {
	h.t.Helper()
	const count = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND (wait_event_type = 'Lock' OR wait_event = 'SyncRep')`
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(atMost)
	for {
		var n int
		noError(h.t, h.watch.QueryRow(h.t.Context(), count).Scan(&n))
		if n == want {
			return n
		}
		select {
		case <-tick.C:
		case <-late:
			return n
		}
	}
}

// TestNoConnectionIsFree: who finds none waits for a while, and is told; a check waits less.
func TestNoConnectionIsFree(t *testing.T) {
	t.Parallel()
	h := newHeld(t, map[string]string{"pool_max_conns": "2", "lock_timeout": "15s", "statement_timeout": "15s"})
	_, secret := h.newKey(h.acme, "here")
	release := h.hold(`LOCK TABLE keys IN ACCESS EXCLUSIVE MODE`)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { h.as(h.acme, "GET", keysPath, "").want(http.StatusOK) }) // when the lock is released
	}
	h.waits(2)
	var refused sync.WaitGroup
	for what, ask := range map[string]func() answer{
		"list":   func() answer { return h.as(h.acme, "GET", keysPath, "") },
		"create": func() answer { return h.as(h.acme, "POST", keysPath, `{"name":"new"}`) },
		"check":  func() answer { return h.call("GET", "/v1/self", "", "Authorization", "Bearer "+secret) },
	} {
		refused.Go(func() { h.busy(what, 15*time.Second, ask) })
	}
	refused.Wait()
	release()
	all.Wait()
	h.as(h.acme, "POST", keysPath, `{"name":"new"}`).want(http.StatusCreated)
}

// TestChangesThatAlwaysMeet: a change that is undone again and again ends with the request's time, as busy.
func TestChangesThatAlwaysMeet(t *testing.T) {
	t.Parallel()
	h := newHeld(t, nil)
	_, err := h.other.Exec(t.Context(), `CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'it met another' USING ERRCODE = '40001'; END $$;
		CREATE TRIGGER meets BEFORE INSERT ON keys FOR EACH ROW EXECUTE FUNCTION meet()`, pgx.QueryExecModeSimpleProtocol)
	noError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	owner, err := h.core.Authenticate(t.Context(), h.acme.token)
	noError(t, err)
	_, _, _, err = h.core.CreateKey(ctx, owner, "acme", core.NewKey{Name: "new"})
	said := httptest.NewRecorder()
	h.server.fail(said, httptest.NewRequestWithContext(t.Context(), "POST", keysPath, http.NoBody), err)
	if said.Code != http.StatusServiceUnavailable || !strings.Contains(said.Body.String(), "try again") {
		t.Errorf("it ends with %v: %d %s", err, said.Code, said.Body)
	}
	// Others go on meanwhile.
	h.as(h.acme, "POST", "/v1/orgs/acme/members", `{"email":"bo@example.com","role":"viewer"}`).want(http.StatusCreated)
	_, err = h.other.Exec(t.Context(), `DROP TRIGGER meets ON keys`)
	noError(t, err)
	h.as(h.acme, "POST", keysPath, `{"name":"new"}`).want(http.StatusCreated)
}
