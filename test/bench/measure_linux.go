package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// figure prints one, and whether it is within its bound.
func (b *bench) figure(what, value, bound string, held bool) {
	verdict := "held"
	switch {
	case bound == "":
		b.printf("  %-44s %14s\n", what, value)
		return
	case !held:
		verdict = "NOT HELD"
	}
	b.printf("  %-44s %14s   %-26s %s\n", what, value, bound, verdict)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func mib(n float64) string { return fmt.Sprintf("%.0f MiB", n) }

// any is one of the keys that a server is asked about.
func (b *bench) any(p *process) string {
	keys := b.asked
	if p.asked == askedNginx {
		keys = keys[:min(len(keys), nginxMost)]
	}
	return keys[rand.IntN(len(keys))]
}

func (b *bench) valid(p *process) request {
	return func(c *conn, _ int) (int, int, error) {
		status, err := c.do("GET", p.path(), b.any(p), "")
		return status, http.StatusNoContent, err
	}
}

// started says what the process is like before any check.
func (b *bench) started(_ context.Context, p *process) error {
	const most, mostMemory = 3 * time.Second, 400
	b.figure("start to ready", ms(p.ready), "at most 3 s", p.ready <= most)
	b.figure("resident", mib(p.rss(false)), "at most 400 MiB", p.rss(false) <= mostMemory)
	return nil
}

// everyKey checks each key once: the store is asked for all of them.
func (b *bench) everyKey(ctx context.Context, p *process) error {
	before := p.cpu()
	l, err := drive(ctx, p.address(), 16, 0, time.Hour, func(c *conn, n int) (int, int, error) {
		if n >= len(b.asked) {
			return 0, 0, errNoMore
		}
		status, err := c.do("GET", p.path(), b.asked[n], "")
		return status, http.StatusNoContent, err
	})
	if err != nil {
		return err
	}
	b.figure("requests/s", fmt.Sprintf("%.0f", l.rate()), "", true)
	b.figure("CPU a request", fmt.Sprintf("%.1f µs", (p.cpu()-before).Seconds()*1e6/float64(l.requests)), "", true)
	b.figure("errors", strconv.Itoa(l.errors), "none", l.errors == 0)
	b.figure("resident", mib(p.rss(false)), "at most 400 MiB", p.rss(false) <= 400)
	return nil
}

// checks drives a server as fast as it answers, then at half that rate.
func (b *bench) checks(ctx context.Context, p *process) error {
	before := p.cpu()
	full, err := b.wrk(ctx, p)
	if err != nil {
		return err
	}
	cost := (p.cpu() - before).Seconds() * 1e6 / float64(full.requests)
	half, err := drive(ctx, p.address(), 64, full.rate()/2, b.duration, b.valid(p))
	if err != nil {
		return err
	}
	rate, costs := fmt.Sprintf("%.0f", full.rate()), fmt.Sprintf("%.1f µs", cost)
	if p.name == bareName {
		b.bareRun, b.bareCost = full, cost
	}
	if ours := p.name == keyfobName; ours {
		b.figure("requests/s", rate, fmt.Sprintf("%.2f of bare's, 0.6 or more", full.rate()/b.bareRun.rate()), full.rate() >= 0.6*b.bareRun.rate())
		b.figure("CPU a request", costs, fmt.Sprintf("%.2f of bare's, 1.6 or less", cost/b.bareCost), cost <= 1.6*b.bareCost)
		b.figure("p99 at half that rate", ms(half.p99), "at most 5 ms", half.p99 <= 5*time.Millisecond)
	} else {
		b.figure("requests/s", rate, "", true)
		b.figure("CPU a request", costs, "", true)
		b.figure("p99 at half that rate", ms(half.p99), "", true)
	}
	b.figure("p99 at full load", ms(full.p99), "", true)
	b.figure("errors", strconv.Itoa(full.errors+half.errors), "none", full.errors+half.errors == 0)
	b.figure("resident", mib(p.rss(false)), "", true)
	return nil
}

// flooded sends unknown keys at a fixed rate beside valid ones.
func (b *bench) flooded(ctx context.Context, p *process) error {
	const unknown, valid = 5000, 2000 // a second
	before := p.rss(false)
	type outcome struct {
		load

		err error
	}
	floods := make(chan outcome, 1)
	go func() {
		l, err := drive(ctx, p.address(), 32, unknown, b.flood, func(c *conn, _ int) (int, int, error) {
			status, err := c.do("GET", p.path(), secret.New(secret.Key).Reveal(), "")
			return status, http.StatusUnauthorized, err
		})
		floods <- outcome{l, err}
	}()
	good, err := drive(ctx, p.address(), 32, valid, b.flood, b.valid(p))
	bad := <-floods
	if err != nil {
		return err
	}
	if bad.err != nil {
		return bad.err
	}
	grown := p.rss(false) - before
	b.figure("unknown keys/s", fmt.Sprintf("%.0f", bad.rate()), "5 000", bad.rate() > 0.98*unknown)
	b.figure("valid keys/s beside them", fmt.Sprintf("%.0f", good.rate()), "", true)
	b.figure("p99 of the valid ones", ms(good.p99), "at most 50 ms", good.p99 <= 50*time.Millisecond)
	b.figure("memory grew by", mib(grown), "at most 64 MiB", grown <= 64)
	b.figure("wrong answers", strconv.Itoa(good.errors+bad.errors), "none", good.errors+bad.errors == 0)
	return nil
}

// mixed drives with 3 % of changes, each acknowledged when it is on disk, and with none.
func (b *bench) mixed(ctx context.Context, p *process) error {
	const conns = 16
	alone, err := drive(ctx, p.address(), conns, 0, b.duration, b.valid(p))
	if err != nil {
		return err
	}
	var managed atomic.Int64
	valid, keys := b.valid(p), make(chan *managedKey, conns)
	for i := range conns {
		keys <- &managedKey{bench: b, n: i}
	}
	mixed, err := drive(ctx, p.address(), conns, 0, b.duration, func(c *conn, n int) (int, int, error) {
		if rand.IntN(100) >= 3 {
			return valid(c, n)
		}
		managed.Add(1)
		k := <-keys
		defer func() { keys <- k }()
		return k.next(c)
	})
	if err != nil {
		return err
	}
	b.figure("checks/s alone, same driver", fmt.Sprintf("%.0f", alone.rate()), "", true)
	b.figure("requests/s, 3 % of them changes", fmt.Sprintf("%.0f", mixed.rate()),
		fmt.Sprintf("%.2f of that, 0.5 or more", mixed.rate()/alone.rate()), mixed.rate() >= 0.5*alone.rate())
	b.figure("changes/s", fmt.Sprintf("%.0f", float64(managed.Load())/mixed.seconds), "", true)
	b.figure("errors", strconv.Itoa(alone.errors+mixed.errors), "none", alone.errors+mixed.errors == 0)
	return nil
}

// managedKey is a key that goes round: created, renamed, disabled, enabled, deleted.
type managedKey struct {
	*bench

	n, step, round int
	id             string
}

func (k *managedKey) next(c *conn) (status, want int, err error) {
	keys, name := "/v1/orgs/acme/keys", fmt.Sprintf("managed %d %d", k.n, k.round)
	one := keys + "/" + k.id
	steps := []struct {
		method, path, body string
		want               int
	}{
		{"POST", keys, `{"name":"` + name + `"}`, http.StatusCreated},
		{"PATCH", one, `{"name":"` + name + ` renamed"}`, http.StatusOK},
		{"POST", one + "/disable", "", http.StatusOK},
		{"POST", one + "/enable", "", http.StatusOK},
		{"DELETE", one, "", http.StatusNoContent},
	}
	s := steps[k.step]
	if status, err = c.do(s.method, s.path, k.session, s.body); err != nil {
		return status, s.want, err
	}
	if k.step == 0 && status == http.StatusCreated {
		if k.id, err = idOf(c.body); err != nil {
			return status, s.want, err
		}
	}
	if k.step = (k.step + 1) % len(steps); k.step == 0 {
		k.round++
	}
	return status, s.want, nil
}
