package core

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// realDatabase is a PostgreSQL server with an org and keys, for measurements.
type realDatabase struct {
	*testing.T

	server *pgtest.Server
	name   string
	owner  Principal
	key    string // its id
	secret secret.Secret
	others []secret.Secret // of the other keys, by number
}

const realOrg = "acme"

func newRealDatabase(t *testing.T, keys int) *realDatabase {
	t.Helper()
	r := &realDatabase{T: t, server: pgtest.Own(t)}
	at, err := url.Parse(r.server.Database(t))
	r.must(err)
	r.name = at.Path
	svc, _ := r.replica("first", r.open(0))
	org, user, err := svc.Bootstrap(t.Context(), Bootstrap{OrgSlug: realOrg, OrgName: "Acme", UserName: "Ada"})
	r.must(err)
	in, err := svc.StartSession(t.Context(), user.ID, api.SessionCLI, Client{Name: "keyfob", Host: "laptop"})
	r.must(err)
	r.owner, err = svc.Authenticate(t.Context(), in.Token.Reveal())
	r.must(err)
	k, sec, _, err := svc.CreateKey(t.Context(), r.owner, realOrg, NewKey{Name: "k"})
	r.must(err)
	r.key, r.secret = k.ID, sec
	const batch = 500
	for n := 0; n < keys; n += batch {
		r.must(svc.store.Update(t.Context(), func(tx store.Tx) error {
			for i := n; i < min(n+batch, keys); i++ {
				r.others = append(r.others[:i], secret.New(secret.Key))
				pepper := modelMaterial().Pepper
				if err := tx.AddKey(realRow(org.ID, i, r.others[i].Digest(pepper[:]))); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	r.must(svc.Close(t.Context()))
	return r
}

func realID(i int) string { return fmt.Sprintf("key_%026d", i) }

func realRow(org string, i int, digest [32]byte) (store.Key, store.NewSecret) {
	id, now := realID(i), time.Now()
	k := store.Key{ID: id, OrgID: org, Name: id, FoldedName: id, CreatedAt: now, UpdatedAt: now, Revision: 1, CreatedBy: store.Actor{Type: "user", ID: "usr_x", Name: "x"}}
	return k, store.NewSecret{
		KeyID: id, Version: 1, State: store.StateCurrent, Hint: "kf_…0000", Digest: digest, PepperID: "x", Sealed: make([]byte, 80), CreatedAt: now,
	}
}

func (r *realDatabase) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// open opens the database at a distance.
func (r *realDatabase) open(distance time.Duration) *postgres.Store {
	r.Helper()
	if distance > 0 {
		return r.openBy(r.proxy(distance).Listen)
	}
	return r.openAt(r.server.Socket(strings.TrimPrefix(r.name, "/")))
}

// openBy opens the database by way of an address.
func (r *realDatabase) openBy(address string) *postgres.Store {
	r.Helper()
	return r.openAt("postgres://" + pgtest.User + ":" + pgtest.Password + "@" + address + r.name)
}

func (r *realDatabase) openAt(to string) *postgres.Store {
	r.Helper()
	config, err := postgres.Parse(to)
	r.must(err)
	st, err := postgres.Open(r.Context(), config)
	r.must(err)
	r.Cleanup(func() { _ = st.Close() })
	return st
}

func (r *realDatabase) proxy(distance time.Duration) *toxiproxy.Proxy {
	r.Helper()
	p := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), r.Name(), "127.0.0.1:0", r.server.Address())
	r.must(p.Start())
	r.Cleanup(p.Stop)
	_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
		`{"name":"far","type":"latency","stream":"downstream","attributes":{"latency":%d}}`, distance.Milliseconds())))
	r.must(err)
	return p
}

// replica starts a service.
func (r *realDatabase) replica(name string, st *postgres.Store) (*Service, *countedStore) {
	r.Helper()
	counted := &countedStore{Store: st}
	svc, err := New(Config{Store: counted, Material: modelMaterial(), Replica: name})
	r.must(err)
	r.Cleanup(func() { _ = svc.Close(context.WithoutCancel(r.Context())) })
	for until := time.Now().Add(10 * time.Second); !svc.replica.lease.valid(); {
		if time.Now().After(until) {
			r.Fatalf("%s has no lease", name)
		}
		wait(r.Context(), time.Millisecond)
	}
	return svc, counted
}

// disable disables and enables the key, and says how long each took.
func (r *realDatabase) disable(svc *Service, rounds int) (took []time.Duration) {
	r.Helper()
	for i := range rounds {
		began := time.Now()
		_, err := svc.SetKeyEnabled(timed(r.Context()), r.owner, realOrg, r.key, i%2 == 1, "")
		r.must(err)
		took = append(took, time.Since(began))
	}
	return took
}

// together disables and enables a key at each of the services, one after another, for a while.
func (r *realDatabase) together(all []*Service, lasts time.Duration) (o outcome) {
	r.Helper()
	var (
		group sync.WaitGroup
		mu    sync.Mutex
	)
	for n, svc := range all {
		group.Go(func() {
			for i, start := 0, time.Now(); time.Since(start) < lasts; i++ {
				began := time.Now()
				_, err := svc.SetKeyEnabled(r.Context(), r.owner, realOrg, realID(n), i%2 == 1, "")
				mu.Lock()
				if err != nil {
					o.failed++
				} else {
					o.changes = append(o.changes, time.Since(began))
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	o.sort()
	return o
}

// cpu is the processor time of all processes of the server.
func (r *realDatabase) cpu() (all time.Duration) {
	for _, pid := range r.server.PIDs() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		var user, system int64
		_, err = fmt.Sscan(strings.Join(strings.Fields(rest)[11:13], " "), &user, &system)
		r.must(err)
		all += time.Duration(user+system) * 10 * time.Millisecond
	}
	return all
}

// each says what one of many calls costs the server, and how long half of them take at most.
func (r *realDatabase) each(many int, fn func(i int) error) (cpu, median time.Duration) {
	r.Helper()
	took := make([]time.Duration, many)
	before := r.cpu()
	for i := range many {
		began := time.Now()
		r.must(fn(i))
		took[i] = time.Since(began)
	}
	cpu = (r.cpu() - before) / time.Duration(many)
	slices.Sort(took)
	return cpu, took[many/2]
}

func noNews(news) {}

// joined is a replica of the name in the fleet, and the number of the last change.
func (r *realDatabase) joined(f storeFleet, name string) (id string, last int64) {
	r.Helper()
	r.must(f.join(r.Context(), store.Replica{ID: name, Name: name}))
	r.must(f.beat(r.Context(), name, -1, func(n news) { last = n.last }))
	return name, last
}

// measureCosts measures what the model must know.
func measureCosts(r *realDatabase) (c modelCosts) {
	ctx := r.Context()
	st := r.open(0)
	svc, counted := r.replica("measured", st)
	f := storeFleet{store: st.Apart(), peppers: svc.keys.peppers}
	id, last := r.joined(f, "rep_measured")
	var beatTook time.Duration
	c.beat, beatTook = r.each(1500, func(int) error { return f.beat(ctx, id, last, noNews) })
	c.quick, _ = r.each(1500, func(int) error { _, err := f.same(ctx, id, last); return err })
	c.members, _ = r.each(1500, func(int) error { _, _, err := f.members(ctx); return err })
	r.must(f.leaves(ctx, id))
	c.wake, _ = r.each(1500, func(int) error { return st.Wake(ctx) })
	c.read, _ = r.each(1500, func(i int) error { _, err := svc.index.read(ctx, r.others[i]); return err })
	renewals, beats, looks := counted.renewals.Load(), counted.beats.Load(), counted.looks.Load()
	const changes = 300
	all, _ := r.each(changes, func(i int) error {
		_, err := svc.SetKeyEnabled(timed(ctx), r.owner, realOrg, r.key, i%2 == 1, "")
		return err
	})
	leases := c.quick*time.Duration(counted.renewals.Load()-renewals) + c.beat*time.Duration(counted.beats.Load()-beats) +
		c.members*time.Duration(counted.looks.Load()-looks)
	c.change = max(0, all-leases/changes-c.wake)
	slices.Sort(counted.took)
	c.local = max(0, beatTook-c.beat) / (tripsBegin + tripsCount + tripsRenew + tripsCommit)
	c.sync = max(0, counted.took[len(counted.took)/2]-c.change-(tripsBegin+tripsChange+tripsCommit)*c.local)
	const used, flushes = 5000, 2
	all, _ = r.each(flushes, func(int) error {
		for i := range used {
			svc.usage.record(realID(i), 1, time.Now(), Origin{AddressPrefix: "192.0.2.0/24", Agent: "bench/1"})
		}
		return svc.usage.flush(ctx)
	})
	c.use = all / used
	r.must(svc.Close(ctx))
	return c
}

// leaves takes a replica off the list.
func (f storeFleet) leaves(ctx context.Context, id string) error {
	all, _, err := f.members(ctx)
	for _, m := range all {
		if m.ID == id {
			return f.remove(ctx, id, m.Renewals)
		}
	}
	return err
}

// ownCPU is the processor time of this process.
func ownCPU(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
