// Command bench prints what one check of a key costs: of the real keyfobd with many stored keys, and beside it of the least that a Go
// handler can do and of nginx's static map, in the same run. It needs wrk, and nginx for that line.
//
//	go run ./test/bench [-keys 1000000] [-for 10s] [-hot 5]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type options struct {
	keys, hot int
	duration  time.Duration
	bare      string
	program   string
}

func main() {
	var o options
	flag.IntVar(&o.keys, "keys", 100_000, "keys that the store holds")
	flag.IntVar(&o.hot, "hot", 0, "of them, how many are asked about, uniformly; 0: all")
	flag.DurationVar(&o.duration, "for", 10*time.Second, "for how long each server is driven")
	flag.StringVar(&o.program, "keyfobd", "bin/keyfobd", "the program")
	flag.StringVar(&o.bare, "bare", "", "serve the bare handler with the keys of this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	run := o.run
	if o.bare != "" {
		run = o.serveBare
	}
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run drives each server in turn.
func (o options) run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "keyfob-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	made := time.Now()
	if err := o.fill(ctx, dir); err != nil {
		return fmt.Errorf("make %d keys: %w", o.keys, err)
	}
	fmt.Fprintf(out, "%d stored keys, made in %s; wrk: 16 connections, 1 thread, %s each\n", o.keys, time.Since(made).Round(time.Second), o.duration)
	fmt.Fprintf(out, "%-28s %10s %12s %9s %7s %9s\n", "server", "requests/s", "CPU µs/req", "p99 ms", "errors", "RSS MiB")
	for _, s := range []server{o.bareServer(dir), o.nginxServer(dir), o.keyfobServer(dir)} {
		if err := o.measure(ctx, dir, s, out); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// server is a program to drive.
type server struct {
	name, url string
	argv      []string
	asked     string   // the file of the keys that it is asked about
	rounds    []string // what each is called: the first also fills caches
}

func (o options) measure(ctx context.Context, dir string, s server, out io.Writer) error {
	if _, err := exec.LookPath(s.argv[0]); err != nil {
		fmt.Fprintf(out, "%-28s not installed\n", s.name)
		return nil
	}
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	if err := reachable(ctx, s.url); err != nil {
		return err
	}
	ready := time.Since(began)
	for _, round := range s.rounds {
		before := cpu(cmd.Process.Pid)
		r, err := o.drive(ctx, filepath.Join(dir, s.asked), s.url)
		if err != nil {
			return err
		}
		spent := cpu(cmd.Process.Pid) - before
		fmt.Fprintf(out, "%-28s %10.0f %12.1f %9.2f %7d %9.0f\n", s.name+round, r.requests/r.seconds,
			spent.Seconds()*1e6/r.requests, r.p99/1000, r.errors, rss(cmd.Process.Pid))
	}
	fmt.Fprintf(out, "%-28s ready after %s\n", s.name, ready.Round(time.Millisecond))
	return nil
}

type result struct {
	requests, seconds, p99 float64 // p99 in µs
	errors                 int
}

func (o options) drive(ctx context.Context, asked, url string) (r result, err error) {
	script, err := filepath.Abs("test/bench/keys.lua")
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c16", "-d"+strconv.Itoa(int(o.duration.Seconds()))+"s", "-s", script, url)
	cmd.Env = append(os.Environ(), "KEYS="+asked)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk: %w\n%s", err, text)
	}
	_, line, found := strings.Cut(string(text), "RESULT ")
	if !found {
		return r, fmt.Errorf("wrk printed %s", text)
	}
	_, err = fmt.Sscanf(line, "%g %g %g %d", &r.requests, &r.seconds, &r.p99, &r.errors)
	r.seconds /= 1e6
	return r, err
}
