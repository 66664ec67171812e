package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
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
