package core_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
	jobs "github.com/keyfob/keyfob/test/oidc/issuer"
)

// keyring is the key files that a process can read.
type keyring struct {
	mu sync.Mutex
	m  core.Material
}

func (k *keyring) put(pepper [32]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.m.OtherPeppers = append(slices.Clone(k.m.OtherPeppers), pepper)
}

func (k *keyring) read() (core.Material, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.m, nil
}

// peppered is a fixture with everything that is found by a digest.
type peppered struct {
	*fixture
	keys    *keyring
	cfg     core.Config
	issuer  *jobs.Issuer
	secrets map[string]secret.Secret // by key
	retired secret.Secret
	link    string
	waits   core.DeviceStart // for a decision
	got     core.DeviceStart // its session
	signed  core.SignedIn
	job     core.SignedIn
	token   string // that became job
	create  core.NewKey
}

const jobAudience = "https://keys.example.com"

func newPeppered(t *testing.T) *peppered {
	t.Helper()
	f := &peppered{fixture: fixtureOn(t), keys: &keyring{m: testMaterial()}, secrets: map[string]secret.Secret{}, issuer: jobs.Start()}
	t.Cleanup(f.issuer.Close)
	f.issuer.Now = f.clock.now
	f.cfg = core.Config{Store: f.store, Reload: f.keys.read, Now: f.clock.now, Passwords: true, Tokens: openid.NewJobs(nil, true)}
	f.svc = f.process(f.keys)
	var user core.User
	var err error
	f.org, user, err = f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	f.must(err)
	f.fixture.token, f.owner = f.signIn(user)
	f.fill()
	return f
}

// process is a further service, which reads its keys from k.
func (f *peppered) process(k *keyring) *core.Service {
	f.Helper()
	cfg := f.cfg
	cfg.Reload = k.read
	cfg.Material, _ = k.read()
	svc, err := core.New(cfg)
	f.must(err)
	f.Cleanup(func() { _ = svc.Close(context.WithoutCancel(f.Context())) })
	return svc
}

func (f *peppered) fill() {
	f.Helper()
	for _, name := range []string{"sealed", "unsealed", "rotated"} {
		_, f.secrets[name] = f.fixture.create(core.NewKey{Name: name})
	}
	db, err := sql.Open("sqlite", f.db.File(f))
	f.must(err)
	_, err = db.ExecContext(f.Context(), `UPDATE secrets SET sealed = NULL WHERE key_id = (SELECT id FROM keys WHERE name = 'unsealed')`)
	f.must(errors.Join(err, db.Close()))
	f.retired = f.secrets["rotated"]
	opened, err := f.svc.OpenRotation(f.Context(), f.owner, "acme", "rotated", core.NewRotation{Emergency: true, Run: "run 1"}, core.Origin{})
	f.must(err)
	f.secrets["rotated"] = opened.Secret
	f.link = f.invite("bo@example.com", api.RoleAdmin)
	f.waits, f.got = f.device("one"), f.device("two")
	f.must(f.svc.DecideDevice(f.Context(), f.owner, f.got.UserCode, true))
	f.signed, err = f.svc.PollDevice(f.Context(), f.got.DeviceCode)
	f.must(err)
	_, err = f.svc.CreateTrustRule(f.Context(), f.owner, "acme", core.NewTrustRule{
		Provider: "github", Issuer: f.issuer.URL, Conditions: map[string]string{"repository": "acme/app"},
		Permissions: []api.Permission{api.KeysRead}, KeyNames: []string{"*"},
	})
	f.must(err)
	f.token = f.issuer.Sign(f.issuer.GitHub(jobAudience))
	f.job, err = f.svc.ExchangeToken(f.Context(), core.Exchange{Token: f.token, Ours: jobAudience})
	f.must(err)
	f.must(f.svc.SpendSignIn(f.Context(), "a state", 48*time.Hour))
	f.create = core.NewKey{Name: "repeated", Idempotency: "once"}
	_, f.secrets["repeated"] = f.fixture.create(f.create)
}

// opens wants all keys to open as ever.
func (f *peppered) opens(svc *core.Service) {
	f.Helper()
	for name, sec := range f.secrets {
		c, err := f.admit(svc, sec)
		f.must(err)
		f.equal("its key", c.KeyName, name)
		k, _, err := svc.Lookup(f.Context(), f.owner, "acme", sec.Reveal())
		f.must(err)
		f.equal("looked up", k.Name, name)
	}
	_, err := f.admit(svc, f.retired)
	f.refused(err, api.CodeKeyExpired, "this secret of the key \"rotated\" ended at")
	_, err = f.admit(svc, secret.New(secret.Key))
	f.refused(err, api.CodeUnauthenticated, noKeyDetail)
	p, err := svc.Authenticate(f.Context(), f.fixture.token.Reveal())
	f.must(err)
	f.equal("session", p.Session.ID, f.owner.Session.ID)
	again, err := svc.OpenRotation(f.Context(), f.owner, "acme", "rotated", core.NewRotation{Emergency: true, Run: "run 1"}, core.Origin{})
	f.must(err)
	f.equal("a run that is done", again.Joined, true)
	_, err = svc.Authenticate(f.Context(), secret.New(secret.Session).Reveal())
	f.refused(err, api.CodeUnauthenticated, noSessionDetail)
}

// opensAll is opens, with what lives for a day at most.
func (f *peppered) opensAll(svc *core.Service) {
	f.Helper()
	f.opens(svc)
	_, err := svc.SetUp(f.Context(), f.link)
	f.must(err)
	if _, err := svc.PollDevice(f.Context(), f.waits.DeviceCode); !errors.Is(err, core.ErrDevicePending) && !errors.Is(err, core.ErrDeviceSlowDown) {
		f.Fatalf("a device that waits: %v", err)
	}
	in, err := svc.PollDevice(f.Context(), f.got.DeviceCode)
	f.must(err)
	f.equal("its session", in.Token.Reveal(), f.signed.Token.Reveal())
	p, err := svc.Authenticate(f.Context(), f.job.Token.Reveal())
	f.must(err)
	f.equal("a job's session", p.Session.ID, f.job.Session.ID)
	_, err = svc.ExchangeToken(f.Context(), core.Exchange{Token: f.token, Ours: jobAudience})
	f.is(err, core.ErrTokenRefused)
	f.is(svc.SpendSignIn(f.Context(), "a state", time.Minute), core.ErrSpent)
	_, sec, replayed, err := svc.CreateKey(f.Context(), f.owner, "acme", f.create)
	f.must(err)
	f.equal("repeated", replayed, true)
	f.equal("its secret", sec.Reveal(), f.secrets["repeated"].Reveal())
}

func (f *peppered) peppers(svc *core.Service) map[string][]store.PepperUse {
	f.Helper()
	all, err := svc.Peppers(f.Context())
	f.must(err)
	out := map[string][]store.PepperUse{}
	for _, p := range all {
		out[p.ID] = p.Uses
	}
	return out
}
