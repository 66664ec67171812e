package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

var operations = flag.Int("operations", 20_000, "how many operations TestLinearizable makes at least") //nolint:gochecknoglobals // a flag

// TestLinearizable: sixteen clients create, check, disable, enable, rotate and delete keys while the service is killed and
// started again, and everybody sees every key change in one moment: a check that begins after a disable was answered is refused.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	var running atomic.Pointer[string]
	url := s.url
	running.Store(&url)
	load := newLoad(t, s.session, func() string { return *running.Load() })
	load.run(t.Context(), *operations, func(ctx context.Context) {
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(500+rand.IntN(1000)) * time.Millisecond):
				s.kill()
				s.start()
				url := s.url
				running.Store(&url)
			}
		}
	})
	load.judge(t)
}

// load is clients that work on the same few keys.
type load struct {
	t       *testing.T
	session secret.Secret
	url     func() string // of a service, any one each time
	history *history
	http    *http.Client

	mu   sync.Mutex
	keys []*shared
}

// shared is a key that all clients know.
type shared struct {
	id string

	mu      sync.Mutex
	secrets []string // by version, from 1; empty: nobody was told
	used    int      // operations
}

const (
	loadClients = 16
	loadKeys    = 8   // at a time
	loadUses    = 300 // operations on a key before another takes its place: short histories are judged fast
)

func newLoad(t *testing.T, session secret.Secret, url func() string) *load {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: loadClients, IdleConnTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	return &load{t: t, session: session, url: url, history: newHistory(), http: &http.Client{Transport: transport, Timeout: 500 * time.Millisecond}, keys: make([]*shared, loadKeys)}
}

// run works until enough operations are made; trouble makes trouble meanwhile.
func (l *load) run(ctx context.Context, enough int, trouble func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Minute)
	defer cancel()
	var maker, clients sync.WaitGroup
	maker.Go(func() { trouble(ctx) })
	for i := range loadClients {
		clients.Go(func() {
			for ctx.Err() == nil && l.made() < enough {
				l.one(ctx, i)
			}
		})
	}
	clients.Wait()
	cancel()
	maker.Wait()
}

func (l *load) made() int {
	l.history.mu.Lock()
	defer l.history.mu.Unlock()
	return l.history.count
}

// judge wants the history to be possible, and to be one.
func (l *load) judge(t *testing.T) {
	t.Helper()
	counts := map[string]int{}
	for _, operations := range l.history.byKey {
		for _, o := range operations {
			out := o.Output.(outcome)
			counts[fmt.Sprintf("%s %s", o.Input.(action).verb, map[bool]string{true: "done", false: map[bool]string{true: "lost", false: "refused"}[out.unknown]}[out.accepted])]++
		}
	}
	t.Logf("%d operations on %d keys: %v", l.history.count, len(l.history.byKey), counts)
	for _, kind := range []string{"check done", "check refused", "disable done", "enable done", "rotate done", "delete done"} {
		if counts[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	if bad := l.history.violations(t); len(bad) > 0 {
		t.Errorf("%d keys did what no key may do: %v", len(bad), bad)
	}
}

// one makes one operation on one key.
func (l *load) one(ctx context.Context, who int) {
	place := rand.IntN(loadKeys)
	l.mu.Lock()
	k := l.keys[place]
	l.mu.Unlock()
	if k == nil {
		l.create(ctx, who, place)
		return
	}
	k.mu.Lock()
	k.used++
	last := k.used
	k.mu.Unlock()
	called := l.history.now()
	verb, o := "check", outcome{}
	switch p := rand.IntN(100); {
	case last >= loadUses:
		verb, o = "delete", l.change(ctx, func(ctx context.Context, c *client.Client) error {
			return c.DeleteKey(ctx, "acme", k.id, client.DeleteKeyOptions{AcknowledgeRecentUse: true})
		})
	case p < 5:
		verb, o = "disable", l.change(ctx, func(ctx context.Context, c *client.Client) error {
			_, err := c.DisableKey(ctx, "acme", k.id, "")
			return err
		})
	case p < 12:
		verb, o = "enable", l.change(ctx, func(ctx context.Context, c *client.Client) error {
			_, err := c.EnableKey(ctx, "acme", k.id, "")
			return err
		})
	case p < 14:
		verb, o = "rotate", l.rotate(ctx, k)
	}
	if verb != "check" {
		l.history.add(who, k.id, called, action{verb: verb}, o)
	}
	l.check(ctx, who, k)
	if verb == "delete" || o.unknown { // each lost answer doubles what the judge has to think of
		l.mu.Lock()
		if l.keys[place] == k {
			l.keys[place] = nil
		}
		l.mu.Unlock()
	}
}

func (l *load) create(ctx context.Context, who, place int) {
	var made *shared
	_ = l.change(ctx, func(ctx context.Context, c *client.Client) error {
		k, s, err := c.CreateKey(ctx, "acme", api.CreateKeyRequest{Name: fmt.Sprintf("k-%d-%d", who, l.history.now())})
		if err == nil {
			made = &shared{id: k.ID, secrets: []string{s.Reveal()}}
		}
		return err
	})
	l.mu.Lock()
	if made != nil && l.keys[place] == nil {
		l.keys[place] = made
	}
	l.mu.Unlock()
	if made != nil {
		l.check(ctx, who, made)
	}
}

// rotate gives the key another secret and ends all others in the same moment.
func (l *load) rotate(ctx context.Context, k *shared) outcome {
	var opened api.RotationEnvelope
	var fresh secret.Secret
	o := l.change(ctx, func(ctx context.Context, c *client.Client) (err error) {
		opened, fresh, err = c.OpenRotation(ctx, "acme", k.id, "", api.OpenRotationRequest{Emergency: true})
		return err
	})
	if o.accepted {
		o.version = opened.Rotation.NewVersion
		// What is open now would be joined by the next one; to promote it changes nothing that a check sees.
		_ = l.change(ctx, func(ctx context.Context, c *client.Client) error {
			_, err := c.PromoteRotation(ctx, "acme", k.id, opened.Rotation.ID, api.PromoteRequest{GraceSeconds: new(int64)})
			return err
		})
		k.mu.Lock()
		for len(k.secrets) < o.version {
			k.secrets = append(k.secrets, "")
		}
		k.secrets[o.version-1] = fresh.Reveal()
		k.mu.Unlock()
	}
	return o
}

// change makes a change once, at any service, and says what became of it.
func (l *load) change(ctx context.Context, fn func(context.Context, *client.Client) error) outcome {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // one that is paused must not keep everybody
	defer cancel()
	c, err := client.New(client.Config{URL: l.url(), Token: l.session, Once: true})
	if err != nil {
		l.t.Error(err)
		return outcome{unknown: true}
	}
	err = fn(ctx, c)
	refused := (*client.Error)(nil)
	switch {
	case err == nil:
		return outcome{accepted: true}
	case errors.As(err, &refused) && (refused.Code == api.CodeKeyNotFound || refused.Code == api.CodeKeyNotEnabled):
		return outcome{}
	case errors.As(err, &refused) && refused.Status < 500 && refused.Status >= 400 && refused.Code != api.CodeRotationState && refused.Code != api.CodePreconditionFailed:
		l.t.Errorf("a change was refused: %v", err)
	}
	return outcome{unknown: true}
}

// check presents one of the key's secrets, mostly the newest, to any service.
func (l *load) check(ctx context.Context, who int, k *shared) {
	k.mu.Lock()
	version := len(k.secrets)
	if rand.IntN(4) == 0 {
		version = 1 + rand.IntN(version)
	}
	presented := k.secrets[version-1]
	k.mu.Unlock()
	if presented == "" {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url()+"/v1/authz", http.NoBody)
	if err != nil {
		l.t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+presented)
	called := l.history.now()
	res, err := l.http.Do(req)
	if err != nil {
		return // it says nothing
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	o := outcome{accepted: res.StatusCode == http.StatusNoContent}
	o.unknown = !o.accepted && res.StatusCode != http.StatusUnauthorized
	l.history.add(who, k.id, called, action{"check", version}, o)
}
