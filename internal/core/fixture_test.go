package core_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Run(m)) }

// clock is a clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) move(d time.Duration) { c.set(c.now().Add(d)) }

// fixture is a service on a real database, with the org "acme", its owner and the owner's session.
type fixture struct {
	testing.TB
	db    dbtest.Database
	store store.Store
	clock *clock
	svc   *core.Service
	org   core.Org
	owner core.Principal
	token secret.Secret
}

func testMaterial() core.Material {
	return core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}}
}

// fixtureOn is a fixture with a store, and no service yet.
func fixtureOn(tb testing.TB) *fixture {
	tb.Helper()
	f := &fixture{
		TB: tb, db: dbtest.New(tb),
		clock: &clock{t: time.Date(2031, 2, 3, 4, 5, 6, 789_012_345, time.UTC)},
	}
	f.store = f.db.Open(tb)
	return f
}

func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	f := fixtureOn(tb)
	f.svc = f.service()
	var user core.User
	var err error
	f.org, user, err = f.svc.Bootstrap(tb.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	f.must(err)
	f.token, f.owner = f.signIn(user)
	return f
}

// service makes a further service on the store.
func (f *fixture) service() *core.Service {
	f.Helper()
	return f.serviceWith(core.Config{})
}

// serviceWith is service, with what people sign in by.
func (f *fixture) serviceWith(cfg core.Config) *core.Service {
	f.Helper()
	cfg.Store, cfg.Material, cfg.Now = f.store, testMaterial(), f.clock.now
	svc, err := core.New(cfg)
	f.must(err)
	f.Cleanup(func() { _ = svc.Close(f.Context()) }) // the context has ended: what is not written is let go
	return svc
}

func (f *fixture) signIn(u core.User) (secret.Secret, core.Principal) {
	f.Helper()
	in, err := f.svc.StartSession(f.Context(), u.ID, api.SessionCLI, core.Client{Name: "keyfob", Host: "laptop"})
	f.must(err)
	p, err := f.svc.Authenticate(f.Context(), in.Token.Reveal())
	f.must(err)
	return in.Token, p
}

func (f *fixture) create(in core.NewKey) (core.Key, secret.Secret) {
	f.Helper()
	k, sec, _, err := f.svc.CreateKey(f.Context(), f.owner, "acme", in)
	f.must(err)
	return k, sec
}

func (f *fixture) get(ref string) core.Key {
	f.Helper()
	k, err := f.svc.Key(f.Context(), f.owner, "acme", ref)
	f.must(err)
	return k
}

func (f *fixture) check(sec secret.Secret) (core.Caller, error) {
	return f.svc.CheckKey(f.Context(), sec.Reveal(), core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "test"})
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) is(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("got error %v, want %v", err, want)
	}
}

// refused wants a *core.Error of the code whose detail holds the text.
func (f *fixture) refused(err error, code api.Code, text string) {
	f.Helper()
	wantRefusal(f, err, code, text)
}

func wantRefusal(tb testing.TB, err error, code api.Code, text string) {
	tb.Helper()
	var refusal *core.Error
	if !errors.As(err, &refusal) {
		tb.Fatalf("got error %v, want a refusal %s", err, code)
	}
	if refusal.Code != code || !strings.Contains(refusal.Detail, text) {
		tb.Fatalf("refused with %s %q, want %s and %q", refusal.Code, refusal.Detail, code, text)
	}
}

func isRefusal(err error, code api.Code) bool {
	var refusal *core.Error
	return errors.As(err, &refusal) && refusal.Code == code
}

func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// events returns the types of the key's events, newest first.
func (f *fixture) events(keyID string) []string {
	f.Helper()
	_, events, err := f.svc.KeyActivity(f.Context(), core.Caller{Org: f.org}, keyID, 100)
	f.must(err)
	types := make([]string, len(events))
	for i, e := range events {
		types[i] = e.Type
	}
	return types
}
