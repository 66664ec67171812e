// Command bench prints what checks of keys cost: of the real keyfobd with many stored keys, and beside it of the least that a Go
// handler can do and of nginx's static map, in the same run. It needs wrk, and nginx for its lines. Its verdicts are for people: it
// fails only if it can't measure.
//
//	go run ./test/bench [-keys 1000000] [-hot 0] [-for 10s] [-flood 60s]
//	go run ./test/bench -replicas 3 [-keys 1000000] [-for 10s]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"time"
)

type options struct {
	keys, hot int
	duration  time.Duration
	flood     time.Duration
	bare      string
	replicas  int
	program   string
}

func main() {
	var o options
	flag.IntVar(&o.keys, "keys", 1_000_000, "keys that the store holds")
	flag.IntVar(&o.hot, "hot", 0, "of them, how many are asked about, uniformly; 0: all")
	flag.DurationVar(&o.duration, "for", 10*time.Second, "for how long each server is driven, each time")
	flag.DurationVar(&o.flood, "flood", time.Minute, "for how long unknown keys are sent")
	flag.StringVar(&o.program, "keyfobd", "bin/keyfobd", "the program")
	flag.StringVar(&o.bare, "bare", "", "serve the bare handler with the keys of this file")
	flag.IntVar(&o.replicas, "replicas", 0, "measure up to so many replicas on a PostgreSQL server of its own, beside SQLite")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	switch {
	case o.bare != "":
		err = o.serveBare(ctx)
	case o.replicas > 0:
		err = o.runReplicas(ctx, os.Stdout)
	default:
		err = o.run(ctx, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	options

	dir     string
	out     io.Writer
	asked   []string // the keys that are asked about
	org     string
	session string

	bareRun  load    // what the bare handler reached: the measure of others
	bareCost float64 // CPU of one request, in µs
}

func (o options) run(ctx context.Context, out io.Writer) error {
	debug.SetGCPercent(800) // what is measured is not to wait for the driver
	dir, err := os.MkdirTemp("", "keyfob-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, out: out}
	began := time.Now()
	if err := b.fill(ctx); err != nil {
		return fmt.Errorf("make %d keys: %w", o.keys, err)
	}
	b.printf("%d stored keys, made in %s; %d asked about, uniformly; %s a measurement\n\n",
		o.keys, time.Since(began).Round(time.Second), len(b.asked), o.duration)
	for _, s := range []server{b.bareServer(), b.nginxServer(), b.keyfobServer()} {
		if err := b.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }

// server is a program to drive, and what is measured of it once it is ready.
type server struct {
	name, url string
	argv      []string
	asked     string // the file of the keys that it is asked about
	steps     []step
}

// step is one measurement. It prints its figures.
type step struct {
	title string
	run   func(*bench, context.Context, *process) error
}

// steps of every server, and those of keyfobd; another guard of ours is a row here.
func everyServer() []step {
	return []step{
		{"the checks themselves", (*bench).checks},
	}
}

func ofKeyfob() []step {
	return []step{
		{"start with all keys stored", (*bench).started},
		{"every key once", (*bench).everyKey},
		{"the checks themselves", (*bench).checks},
		{"a flood of unknown keys", (*bench).flooded},
		{"3 % management", (*bench).mixed},
		{"calls of tools through the gateway of MCP", (*bench).guarded},
	}
}

func (b *bench) measure(ctx context.Context, s server) error {
	p, err := b.start(ctx, s)
	if err != nil || p == nil {
		return err
	}
	defer p.stop()
	for _, m := range s.steps {
		b.printf("%s, %s:\n", s.name, m.title)
		if err := m.run(b, ctx, p); err != nil {
			return fmt.Errorf("%s: %w", m.title, err)
		}
	}
	b.printf("\n")
	return nil
}
