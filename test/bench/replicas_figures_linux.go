package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

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
