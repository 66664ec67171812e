package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what a driver reached.
type load struct {
	requests int
	seconds  float64
	p99      time.Duration
	errors   int
}

func (l load) rate() float64 { return float64(l.requests) / l.seconds }

// wrk drives a server as fast as it answers: 16 connections, one thread.
func (b *bench) wrk(ctx context.Context, p *process) (l load, err error) {
	script, err := filepath.Abs("test/bench/keys.lua")
	if err != nil {
		return l, err
	}
	seconds := strconv.Itoa(max(1, int(b.duration.Seconds())))
	cmd := exec.CommandContext(ctx, "wrk", "-t1", "-c16", "-d"+seconds+"s", "-s", script, p.url)
	cmd.Env = append(os.Environ(), "KEYS="+filepath.Join(b.dir, p.asked))
	text, err := cmd.CombinedOutput()
	if err != nil {
		return l, fmt.Errorf("wrk: %w\n%s", err, text)
	}
	_, line, found := strings.Cut(string(text), "RESULT ")
	if !found {
		return l, fmt.Errorf("wrk printed %s", text)
	}
	var micros, p99 float64
	_, err = fmt.Sscanf(line, "%d %g %g %d", &l.requests, &micros, &p99, &l.errors)
	l.seconds, l.p99 = micros/1e6, time.Duration(p99)*time.Microsecond
	return l, err
}

// request sends the nth request and returns the status of its answer, and that which is right. errNoMore ends the run.
type request func(c *conn, n int) (status, want int, err error)

var errNoMore = errors.New("there is no more to send")

// drive sends requests over keep-alive connections until the time is over or there is no more to send. With a rate they begin at fixed
// times, whether or not earlier ones are answered, and a latency counts from the time at which its request was due.
func drive(ctx context.Context, address string, conns int, rate float64, duration time.Duration, do request) (load, error) {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	var (
		sent, failed atomic.Int64
		mu           sync.Mutex
		latencies    []time.Duration
		first        error
		group        sync.WaitGroup
	)
	began := time.Now()
	for range conns {
		group.Go(func() {
			own, err := driveOne(ctx, address, rate, began, &sent, &failed, do)
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, own...)
			if err != nil && first == nil {
				first = err
			}
		})
	}
	group.Wait()
	l := load{requests: len(latencies), seconds: time.Since(began).Seconds(), errors: int(failed.Load())}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		l.p99 = latencies[len(latencies)*99/100]
	}
	return l, first
}

func driveOne(ctx context.Context, address string, rate float64, began time.Time, sent, failed *atomic.Int64, do request) ([]time.Duration, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // it may be another one by then
	var latencies []time.Duration
	for {
		n := int(sent.Add(1)) - 1
		due := time.Now()
		if rate > 0 {
			due = began.Add(time.Duration(float64(n) / rate * 1e9))
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(due)):
			}
		}
		if ctx.Err() != nil {
			return latencies, nil
		}
		status, want, err := do(c, n)
		if errors.Is(err, errNoMore) {
			return latencies, nil
		}
		if err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(due))
		if status != want {
			failed.Add(1)
		}
	}
}

// conn is a connection that is kept. It reads just as much of HTTP as the servers here write.
type conn struct {
	net.Conn

	in   *bufio.Reader
	out  []byte
	body []byte // of the last answer
}

const answerTimeout = 20 * time.Second

func dial(ctx context.Context, address string) (*conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReader(c)}, nil
}

// do sends a request and returns the status of its answer.
func (c *conn) do(method, path, credential, body string) (int, error) {
	c.out = fmt.Appendf(c.out[:0], "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAuthorization: Bearer %s\r\n", method, path, credential)
	if body != "" {
		c.out = fmt.Appendf(c.out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	c.out = append(append(c.out, "\r\n"...), body...)
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	if _, err := c.Write(c.out); err != nil {
		return 0, err
	}
	return c.answer()
}

func (c *conn) answer() (int, error) {
	status, length := 0, 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return status, fmt.Errorf("read an answer: %w", err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if first {
			if len(text) < len("HTTP/1.1 200") {
				return 0, fmt.Errorf("no answer: %q", text)
			}
			if status, err = strconv.Atoi(text[9:12]); err != nil {
				return 0, err
			}
			continue
		}
		if text == "" {
			break
		}
		if value, found := strings.CutPrefix(text, "Content-Length: "); found {
			if length, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
	}
	if status == http.StatusNoContent {
		length = 0
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	_, err := io.ReadFull(c.in, c.body)
	return status, err
}
