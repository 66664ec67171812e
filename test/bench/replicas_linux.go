package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	askedHot  = "asked-hot"
	hotKeys   = 1000
	firstPort = 17430 // of the replicas
)

// replicas is a run of several services, on SQLite when there is one alone.
type replicas struct {
	*bench

	server    *pgtest.Server
	database  string
	processes []*process
	sqlite    map[string]float64 // CPU of a check with SQLite, by which keys
}

func (o options) runReplicas(ctx context.Context, out io.Writer) (err error) {
	debug.SetGCPercent(800)
	dir, err := os.MkdirTemp("", "keyfob-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o.hot = 0
	b := &bench{options: o, dir: dir, out: out}
	if b.program, err = filepath.Abs(b.program); err != nil {
		return err
	}
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("make %d keys: %w", o.keys, err)
	}
	hot := strings.Join(b.asked[:min(hotKeys, len(b.asked))], "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, askedHot), []byte(hot), 0o600); err != nil {
		return err
	}
	r := &replicas{bench: b, server: &pgtest.Server{}, sqlite: map[string]float64{}}
	defer func() { err = errors.Join(err, r.server.Close()) }()
	b.printf("%d stored keys, %s a measurement, wrk with 16 connections a replica\n\n", o.keys, o.duration)
	if err := r.measure(ctx, "SQLite", 1); err != nil {
		return fmt.Errorf("SQLite: %w", err)
	}
	if err := r.fillPostgres(ctx); err != nil {
		return fmt.Errorf("fill PostgreSQL: %w", err)
	}
	for n := range o.replicas {
		if err := r.measure(ctx, fmt.Sprintf("PostgreSQL, %d replicas", n+1), n+1); err != nil {
			return fmt.Errorf("%d replicas: %w", n+1, err)
		}
	}
	return nil
}

// fillPostgres starts the server and puts the same keys there, under the same material.
func (r *replicas) fillPostgres(ctx context.Context) error {
	if err := r.server.Run(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, r.server.Socket("postgres"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE bench")
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	r.database = r.server.Socket("bench")
	for n := range r.replicas {
		if err := os.Mkdir(r.data(n), 0o700); err != nil {
			return err
		}
		for _, name := range []string{"master.key", "pepper.key"} {
			text, err := os.ReadFile(filepath.Join(r.dir, "data", name))
			if err := errors.Join(err, os.WriteFile(filepath.Join(r.data(n), name), text, 0o600)); err != nil {
				return err
			}
		}
	}
	digests, err := r.bootstrap(ctx, r.data(0), "--database", r.database)
	if err != nil {
		return err
	}
	config, err := postgres.Parse(r.database)
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, config)
	if err != nil {
		return err
	}
	began := time.Now()
	const batch = 200 // each key counts in one row, whose versions a transaction walks
	err = r.addKeys(ctx, db, batch, digests, func(i int) (secret.Secret, error) { return secret.Parse(secret.Key, r.asked[i]) })
	r.printf("PostgreSQL was filled in %s\n\n", time.Since(began).Round(time.Second))
	return errors.Join(err, db.Close())
}

func (r *replicas) data(n int) string {
	if r.database == "" {
		return filepath.Join(r.dir, "data")
	}
	return filepath.Join(r.dir, fmt.Sprintf("data-%d", n))
}

// measure starts so many services and measures them together.
func (r *replicas) measure(ctx context.Context, name string, count int) error {
	r.printf("%s:\n", name)
	r.processes = nil
	defer func() {
		for _, p := range r.processes {
			p.stop()
		}
	}()
	for n := range count {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+n)
		argv := []string{r.program, "serve", "--setup-link=false", "--listen", address, "--data-dir", r.data(n)}
		if r.database != "" {
			argv = append(argv, "--database", r.database)
		}
		p, err := r.start(ctx, server{name, "http://" + address + authzPath, argv, askedHot, nil})
		if err != nil {
			return err
		}
		r.processes = append(r.processes, p)
	}
	r.figure("start to ready, of the last", ms(r.processes[count-1].ready), "at most 5 s", r.processes[count-1].ready <= 5*time.Second)
	for _, m := range []func(context.Context) error{r.idle, r.disables, r.hotKeys, r.anyKey, r.creates} {
		if err := m(ctx); err != nil {
			return err
		}
	}
	r.printf("\n")
	return nil
}

// spent is the CPU time of the services and of PostgreSQL, and the transactions that it has made.
func (r *replicas) spent(ctx context.Context) (services, database time.Duration, transactions int64, err error) {
	for _, p := range r.processes {
		services += p.cpu()
	}
	if r.database == "" {
		return services, 0, 0, nil
	}
	for i, pid := range r.server.PIDs() {
		database += cpuOf(pid, i == 0)
	}
	conn, err := pgx.Connect(ctx, r.server.Socket("postgres"))
	if err != nil {
		return 0, 0, 0, err
	}
	err = conn.QueryRow(ctx, "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'bench'").Scan(&transactions)
	return services, database, transactions, errors.Join(err, conn.Close(ctx))
}

// idle says what services cost that nobody asks.
func (r *replicas) idle(ctx context.Context) error {
	s0, d0, t0, err := r.spent(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.duration):
	}
	s1, d1, t1, err := r.spent(ctx)
	took := time.Since(began).Seconds()
	share := func(d time.Duration) string { return fmt.Sprintf("%.2f %%", 100*d.Seconds()/took) }
	r.figure("idle: CPU of the services, of one processor", share(s1-s0), "", true)
	if r.database != "" {
		r.figure("idle: CPU of PostgreSQL", share(d1-d0), "", true)
		r.figure("idle: transactions/s", fmt.Sprintf("%.1f", float64(t1-t0)/took), "", true)
	}
	return err
}

func (r *replicas) hotKeys(ctx context.Context) error {
	if err := r.every(ctx, r.asked[:min(hotKeys, len(r.asked))]); err != nil {
		return err
	}
	return r.checks(ctx, askedHot, "1 000 keys in use")
}

func (r *replicas) anyKey(ctx context.Context) error {
	return r.checks(ctx, askedFile, "any key")
}

// every asks each replica for each of the keys once.
func (r *replicas) every(ctx context.Context, keys []string) error {
	for _, p := range r.processes {
		l, err := drive(ctx, p.address(), 4, 0, time.Minute, func(c *conn, n int) (int, int, error) {
			if n >= len(keys) {
				return 0, 0, errNoMore
			}
			status, err := c.do("GET", p.path(), keys[n], "")
			return status, http.StatusNoContent, err
		})
		if err != nil {
			return err
		}
		if l.errors > 0 {
			return fmt.Errorf("%d keys were refused", l.errors)
		}
	}
	return nil
}

// checks drives all services at once.
func (r *replicas) checks(ctx context.Context, asked, which string) error {
	s0, d0, _, err := r.spent(ctx)
	if err != nil {
		return err
	}
	loads, errs := make([]load, len(r.processes)), make([]error, len(r.processes))
	var group sync.WaitGroup
	for i, p := range r.processes {
		p.asked = asked
		group.Go(func() { loads[i], errs[i] = r.wrk(ctx, p) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s1, d1, _, err := r.spent(ctx)
	if err != nil {
		return err
	}
	rate, requests, failed := 0.0, 0, 0
	for _, l := range loads {
		rate, requests, failed = rate+float64(l.requests-l.errors)/l.seconds, requests+l.requests, failed+l.errors
	}
	cost := (s1 - s0).Seconds() * 1e6 / float64(requests)
	r.figure(which+": checks/s", fmt.Sprintf("%.0f", rate), "", true)
	bound := ""
	if r.database == "" {
		r.sqlite[which] = cost
	} else if asked == askedHot {
		bound = fmt.Sprintf("%.2f of SQLite's, 1.1 or less", cost/r.sqlite[which])
	}
	r.figure(which+": CPU of a check", fmt.Sprintf("%.1f µs", cost), bound, cost <= 1.1*r.sqlite[which])
	if r.database != "" {
		r.figure(which+": CPU of PostgreSQL for one", fmt.Sprintf("%.1f µs", (d1-d0).Seconds()*1e6/float64(requests)), "", true)
	}
	r.figure(which+": refused, not among those", strconv.Itoa(failed), "none", failed == 0)
	return nil
}

// disables says how long it takes until a change is answered.
func (r *replicas) disables(ctx context.Context) error {
	c, err := dial(ctx, r.processes[0].address())
	if err != nil {
		return err
	}
	defer c.Close()
	const rounds = 200
	var took []time.Duration
	for i := range rounds {
		verb := []string{"disable", "enable"}[i%2]
		path := "/v1/orgs/acme/keys/" + url.PathEscape(fmt.Sprintf("key_%026d", 0)) + "/" + verb
		began := time.Now()
		status, err := c.do("POST", path, r.session, "")
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("%s: %d %s: %w", verb, status, c.body, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	p99 := took[rounds*99/100]
	r.figure("disable or enable to 200: median", ms(took[rounds/2]), "", true)
	r.figure("disable or enable to 200: p99", ms(p99), "at most 50 ms", p99 <= 50*time.Millisecond)
	return nil
}

// creates makes keys through all services.
func (r *replicas) creates(ctx context.Context) error {
	loads, errs := make([]load, len(r.processes)), make([]error, len(r.processes))
	var group sync.WaitGroup
	for i, p := range r.processes {
		group.Go(func() {
			loads[i], errs[i] = drive(ctx, p.address(), 16, 0, r.duration, func(c *conn, n int) (int, int, error) {
				name := fmt.Sprintf(`{"name":"created %d %d of %d %t"}`, n, i, len(r.processes), r.database == "")
				status, err := c.do("POST", "/v1/orgs/acme/keys", r.session, name)
				return status, http.StatusCreated, err
			})
		})
	}
	group.Wait()
	rate, failed := 0.0, 0
	for _, l := range loads {
		rate, failed = rate+l.rate(), failed+l.errors
	}
	r.figure("creates/s, 16 connections a replica", fmt.Sprintf("%.0f", rate), "", true)
	r.figure("creates refused", strconv.Itoa(failed), "none", failed == 0)
	return errors.Join(errs...)
}
