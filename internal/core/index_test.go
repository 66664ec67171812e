package core_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func (f *fixture) admit(svc *core.Service, sec secret.Secret) (core.Caller, error) {
	return svc.Admit(f.Context(), sec.Reveal(), "", core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "test"})
}

// TestAdmitFollowsEveryChange: a check after a change never sees what was known before it.
func TestAdmitFollowsEveryChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	enabled := func(on bool) func() error {
		return func() error {
			_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, on, "")
			return err
		}
	}
	patch := func(p core.KeyPatch) func() error {
		return func() error {
			_, err := f.svc.UpdateKey(t.Context(), f.owner, "acme", k.ID, p, 0)
			return err
		}
	}
	name, soon, later := "ci ü", f.clock.now().Add(time.Minute), f.clock.now().Add(time.Hour)
	for _, tt := range []struct {
		name   string
		change func() error
		want   api.Code
		called string
	}{
		{"nothing", func() error { return nil }, "", "ci"},
		{"disabled", enabled(false), api.CodeKeyDisabled, ""},
		{"enabled", enabled(true), "", "ci"},
		{"renamed", patch(core.KeyPatch{Name: &name}), "", name},
		{"an expiry", patch(core.KeyPatch{ExpiresAt: &soon}), "", name},
		{"its time", func() error { f.clock.set(soon); return nil }, api.CodeKeyExpired, ""},
		{"a later expiry", patch(core.KeyPatch{ExpiresAt: &later}), "", name},
		{"deleted", func() error {
			return f.svc.DeleteKey(t.Context(), f.owner, "acme", k.ID, core.DeleteKey{AcknowledgeRecentUse: true})
		}, api.CodeUnauthenticated, ""},
	} {
		f.must(tt.change())
		for range 2 { // the second from memory, where it is kept
			got, err := f.admit(f.svc, sec)
			if tt.want != "" {
				f.refused(err, tt.want, "")
				continue
			}
			f.must(err)
			f.equal(tt.name, []string{got.KeyID, got.KeyName, got.Org.Slug}, []string{k.ID, tt.called, "acme"})
		}
	}
}

// TestRevokedUnderLoad: no check that begins after a key was disabled, and before it is enabled again, lets it pass; nor the other
// way round.
func TestRevokedUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	const unknown = 0 // else: the number of an acknowledged state, odd when enabled
	var state atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var checks atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				before := state.Load()
				_, err := f.svc.Admit(t.Context(), sec.Reveal(), "", core.Origin{Agent: "test"}) //nolint:contextcheck // it ends with its answer, not half-way
				if before == unknown || state.Load() != before {
					continue
				}
				checks.Add(1)
				if enabled := before%2 == 1; enabled != (err == nil) {
					t.Errorf("state %d was acknowledged, the check says %v", before, err)
					return
				}
			}
		})
	}
	for n := int64(1); n <= 40; n++ {
		_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", n%2 == 1, "")
		f.must(err)
		state.Store(n)
		for seen := checks.Load(); checks.Load() < seen+20 && !t.Failed(); {
			_, _ = f.svc.Admit(t.Context(), secret.New(secret.Key).Reveal(), "", core.Origin{})
		}
		state.Store(unknown)
	}
	cancel()
	group.Wait()
}

// TestAnotherProcessChangesKeys: what another process does to the file counts within the lease.
func TestAnotherProcessChangesKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	_, still := f.create(core.NewKey{Name: "still"})
	other := f.db.Open(t)
	lease := func() { <-time.After(core.IndexLeaseForTest + time.Millisecond) }
	change := func(fn func(store.Key, store.Tx) error) {
		f.must(other.Update(t.Context(), func(tx store.Tx) error {
			row, err := tx.Key(f.org.ID, k.ID)
			if err != nil {
				return err
			}
			return fn(row, tx)
		}))
		lease()
	}
	_, err := f.admit(f.svc, sec)
	f.must(err)
	change(func(k store.Key, tx store.Tx) error { k.Disabled = true; return tx.UpdateKey(k) })
	_, err = f.admit(f.svc, sec)
	f.refused(err, api.CodeKeyDisabled, "")
	change(func(k store.Key, tx store.Tx) error { k.Disabled = false; return tx.UpdateKey(k) })
	_, err = f.admit(f.svc, sec)
	f.must(err)
	change(func(k store.Key, tx store.Tx) error { return tx.RetireSecret(k.ID, 1, f.clock.now()) })
	_, err = f.admit(f.svc, still) // what is asked between a foreign change and one of ours
	f.must(err)
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "still", false, "")
	f.must(err)
	_, err = f.admit(f.svc, still)
	f.refused(err, api.CodeKeyDisabled, "")
	_, err = f.admit(f.svc, sec)
	if err == nil {
		t.Error("a secret that another process retired still opens")
	}
}

// TestNoStoreNoKey: what can't be looked up any more is let in by nobody's memory.
func TestNoStoreNoKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	_, err := f.admit(f.svc, sec)
	f.must(err)
	f.must(f.store.Close())
	<-time.After(core.IndexLeaseForTest + time.Millisecond)
	_, err = f.admit(f.svc, sec)
	var refusal *core.Error
	if err == nil || errors.As(err, &refusal) && refusal.Code != api.CodeUnavailable {
		t.Errorf("without a store: %v", err)
	}
}

func TestAdmitWithinAnOrg(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, sec := f.create(core.NewKey{Name: "ci"})
	for org, want := range map[string]api.Code{
		"": "", "acme": "", f.org.ID: "", "globex": api.CodeForbidden, "ACME": api.CodeForbidden, "org_": api.CodeForbidden,
	} {
		_, err := f.svc.Admit(t.Context(), sec.Reveal(), org, core.Origin{})
		if want == "" {
			f.must(err)
			continue
		}
		f.refused(err, want, "")
	}
	_, err := f.svc.Admit(t.Context(), secret.New(secret.Key).Reveal(), "globex", core.Origin{})
	f.refused(err, api.CodeUnauthenticated, noKeyDetail)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	_, other, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "globex", OrgName: "Globex", UserName: "Bo"})
	f.must(err)
	_, stranger := f.signIn(other)
	verify := func(p core.Principal) (core.Caller, error) {
		return f.svc.Verify(t.Context(), p, sec.Reveal(), core.Origin{Agent: "api"})
	}
	got, err := verify(f.owner)
	f.must(err)
	f.equal("verified", got, core.Caller{Org: f.org, KeyID: k.ID, KeyName: "ci", SecretVersion: 1})
	f.equal("it is a use", f.get("ci").LastUsedAt, f.clock.now().Truncate(time.Microsecond))
	f.clock.move(time.Minute)
	_, err = verify(stranger)
	f.refused(err, api.CodeUnauthenticated, noKeyDetail)
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.must(err)
	_, err = verify(stranger)
	f.refused(err, api.CodeUnauthenticated, noKeyDetail) // not that it is disabled
	_, err = verify(f.owner)
	f.refused(err, api.CodeKeyDisabled, "")
	_, err = verify(core.Principal{User: core.User{ID: "usr_nobody"}})
	f.refused(err, api.CodeForbidden, "")
}

// laggard is a store in which one Update, once it is armed, returns only when it is let go, though it was committed.
type laggard struct {
	store.Store

	armed           atomic.Bool
	committed, goOn chan struct{}
}

func (l *laggard) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := l.Store.Update(ctx, fn)
	if l.armed.CompareAndSwap(true, false) {
		close(l.committed)
		<-l.goOn
	}
	return err
}

// TestNothingIsAnsweredBeforeWhatItFound: who finds a key changed already answers as who changed it does, only when checks go by it.
func TestNothingIsAnsweredBeforeWhatItFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci"})
	slow := &laggard{Store: f.store, committed: make(chan struct{}), goOn: make(chan struct{})}
	svc, err := core.New(core.Config{Store: slow, Material: testMaterial(), Now: f.clock.now})
	f.must(err)
	defer func() { f.must(svc.Close(t.Context())) }()
	_, err = f.admit(svc, sec)
	f.must(err)
	disable := func() error {
		_, err := svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, false, "")
		return err
	}
	slow.armed.Store(true)
	first := make(chan error, 1)
	go func() { first <- disable() }()
	<-slow.committed
	f.must(disable())
	_, err = f.admit(svc, sec)
	f.refused(err, api.CodeKeyDisabled, `the key "ci" is disabled`)
	close(slow.goOn)
	f.must(<-first)
}
