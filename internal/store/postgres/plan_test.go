package postgres

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

//go:embed testdata/many.txt
var manyRows string

// watched notes the statements that a store sends.
type watched struct {
	mu   sync.Mutex
	sent []statement
}

type statement struct {
	sql  string
	args []any
}

func (w *watched) note(sql string, args []any) {
	switch word, _, _ := strings.Cut(strings.TrimSpace(sql), " "); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent = append(w.sent, statement{sql, args})
	}
}

func (w *watched) take() []statement {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	return sent
}

func (w *watched) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	w.note(d.SQL, d.Args)
	return ctx
}

func (w *watched) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		w.note(q.SQL, q.Arguments)
	}
	return ctx
}

func (*watched) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData)     {}
func (*watched) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*watched) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// node is a step of a plan, as EXPLAIN (FORMAT JSON) writes it.
type node struct {
	Type     string  `json:"Node Type"`
	Cost     float64 `json:"Total Cost"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Plan Rows"`
	Read     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []node
}

func (n node) each(fn func(node)) {
	fn(n)
	for _, p := range n.Plans {
		p.each(fn)
	}
}

// planned is a database of many rows, on which statements are explained.
type planned struct {
	*testing.T
	store *Store
	seen  *watched
	conn  *pgx.Conn
	n     int
}

func newPlanned(t *testing.T) *planned {
	t.Helper()
	server := pgtest.Own(t)
	database := server.Database(t)
	c := config(t, database)
	p := &planned{T: t, seen: &watched{}}
	c.pool.ConnConfig.Tracer = p.seen
	var err error
	if p.store, err = Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.store.Close() })
	server.Exec(t, database, manyRows)
	if p.conn, err = pgx.Connect(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.conn.Close(context.WithoutCancel(t.Context())) })
	return p
}

// check explains what fn sends, with its values and as a prepared statement that is planned once for all values, where PostgreSQL
// would take to that. None may read or sort a table that grows; most is how many rows it may look at.
func (p *planned) check(what string, most float64, fn func(store.Tx) error) {
	p.Helper()
	undo := errors.New("undo")
	p.seen.take()
	err := p.store.Update(p.Context(), func(tx store.Tx) error { return errors.Join(fn(tx), undo) })
	if !errors.Is(err, undo) {
		p.Fatalf("%s: %v", what, err)
	}
	sent := p.seen.take()
	if len(sent) == 0 {
		p.Fatalf("%s: nothing was sent", what)
	}
	for _, s := range sent {
		once, always := p.ran(s), p.prepared(s)
		p.verify(what, s, once, most)
		if always.Cost < once.Cost+toPlan {
			p.verify(what+", prepared", s, always, most)
		}
	}
}

// toPlan is more than PostgreSQL counts for planning anew
// (https://www.postgresql.org/docs/current/sql-prepare.html#SQL-PREPARE-NOTES).
const toPlan = 25

// small tables do not grow with keys, people or use.
const small = " replicas readiness key_changes use_folds material schema_migrations "

func (p *planned) verify(what string, s statement, plan node, most float64) {
	p.Helper()
	looked := 0.0
	plan.each(func(n node) {
		looked += (n.Read + n.Removed) * n.Loops
		switch grows := !strings.Contains(small, " "+n.Relation+" "); {
		case n.Type == "Seq Scan" && grows:
			p.Errorf("%s: reads all of %s\n%s", what, n.Relation, s.sql)
		case n.Type == "Sort" && max(n.Rows, n.Read) > most:
			p.Errorf("%s: sorts %.0f rows\n%s", what, max(n.Rows, n.Read), s.sql)
		}
	})
	if looked > most {
		p.Errorf("%s: looks at %.0f rows, %.0f are enough\n%s", what, looked, most, s.sql)
	}
}

// ran is the plan of a statement that is run and undone.
func (p *planned) ran(s statement) (plan node) {
	p.Helper()
	tx, err := p.conn.Begin(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = tx.Rollback(p.Context()) }()
	if _, err := tx.Exec(p.Context(), `SET LOCAL session_replication_role = replica`); err != nil {
		p.Fatal(err)
	}
	return p.read(s, tx.QueryRow(p.Context(), `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) `+s.sql, s.args...))
}

// prepared is the plan of a statement whatever its values.
func (p *planned) prepared(s statement) node {
	p.Helper()
	p.n++
	name := fmt.Sprint("plan_", p.n)
	values := ""
	if len(s.args) > 0 {
		values = "(" + strings.TrimSuffix(strings.Repeat("NULL, ", len(s.args)), ", ") + ")"
	}
	for _, q := range []string{`SET plan_cache_mode = force_generic_plan`, `PREPARE ` + name + ` AS ` + s.sql} {
		if _, err := p.conn.Exec(p.Context(), q, pgx.QueryExecModeSimpleProtocol); err != nil {
			p.Fatalf("%v\n%s", err, s.sql)
		}
	}
	return p.read(s, p.conn.QueryRow(p.Context(), `EXPLAIN (FORMAT JSON) EXECUTE `+name+values, pgx.QueryExecModeSimpleProtocol))
}

func (p *planned) read(s statement, row pgx.Row) node {
	p.Helper()
	var doc []byte
	if err := row.Scan(&doc); err != nil {
		p.Fatalf("%v\n%s", err, s.sql)
	}
	var plans []struct{ Plan node }
	if err := json.Unmarshal(doc, &plans); err != nil || len(plans) != 1 || plans[0].Plan.Type == "" {
		p.Fatalf("%v in %s", err, doc)
	}
	return plans[0].Plan
}
