package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// TestPepperRotation: after each step everything is found, by a service that goes on, one that starts, and one that rotated; and once
// nothing is under the old pepper it is not needed.
func TestPepperRotation(t *testing.T) {
	t.Parallel()
	f := newPeppered(t)
	f.opensAll(f.svc)
	newer := [32]byte{9}
	old, now := core.PepperID(testMaterial().Pepper), core.PepperID(newer)
	f.keys.put(newer)
	command := f.process(f.keys)
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"begin", func() { f.must(command.AddPepper(t.Context(), newer)) }},
		{"begin again", func() { f.must(command.AddPepper(t.Context(), newer)) }},
		{"create", func() { // what is under the new one alone
			f.opensAll(f.svc)
			_, sec, _, err := command.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: "new"})
			f.must(err)
			f.secrets["new"] = sec
			core.EndLeaseForTest(f.svc) // before which no service needs to know of another's key
		}},
		{"digests", func() {
			done, err := command.Redigest(t.Context())
			f.must(err)
			f.equal("moved", done, core.Redigested{Moved: 3})
		}},
		{"digests again", func() {
			done, err := command.Redigest(t.Context())
			f.must(err)
			f.equal("moved again", done, core.Redigested{})
		}},
		{"drop", func() {
			dropped, err := command.DropPeppers(t.Context(), false)
			f.must(err)
			f.equal("dropped", len(dropped), 0)
		}},
		{"what was presented", func() { f.must(core.MovePresentedForTest(t.Context(), f.svc)) }},
	} {
		step.do()
		for who, svc := range map[string]*core.Service{"goes on": f.svc, "starts": f.process(f.keys), "rotates": command} {
			t.Log(step.name, who)
			f.opensAll(svc)
		}
	}
	f.equal("under the old one", f.peppers(command)[old], []store.PepperUse{
		{Kind: store.UseGrant, Rows: 2},
		{Kind: store.UseInvitation, Rows: 1},
		{Kind: store.UseJob, Rows: 1},
		{Kind: store.UseSession, Rows: 2},
	})
	f.clock.move(time.Minute) // after which use of a session is noted
	f.opens(f.svc)
	f.clock.move(23 * time.Hour)
	_, err := f.svc.Authenticate(t.Context(), f.signed.Token.Reveal())
	f.refused(err, api.CodeUnauthenticated, "") // it was not used in time
	f.clock.move(time.Hour - time.Minute)
	f.clock.move(7 * 24 * time.Hour) // the link
	dropped, err := command.DropPeppers(t.Context(), false)
	f.must(err)
	f.equal("dropped", dropped, []string{old})
	f.opens(f.svc)
	alone := f.process(&keyring{m: core.Material{MasterKey: testMaterial().MasterKey, Pepper: newer}})
	f.opens(alone)
	f.equal("what it needs", f.peppers(alone), map[string][]store.PepperUse{now: nil})
}

// TestAPepperThatIsMissing: who lacks it takes no valid key for none, whether or not it has heard of it; and goes on once it is there.
func TestAPepperThatIsMissing(t *testing.T) {
	t.Parallel()
	f := newPeppered(t)
	newer := [32]byte{9}
	both := &keyring{m: testMaterial()}
	both.put(newer)
	command := f.process(both)
	f.remembered(f.svc)
	f.must(command.AddPepper(t.Context(), newer))
	_, err := command.Redigest(t.Context())
	f.must(err)
	core.ForgetForTest(f.svc)
	for range 20 { // while it may not have heard, and later
		if _, err := f.admit(f.svc, f.secrets["sealed"]); !isRefusal(err, api.CodeUnavailable) {
			t.Fatalf("it answers %v", err)
		}
		<-time.After(core.IndexLeaseForTest / 10)
	}
	_, err = f.svc.Authenticate(t.Context(), f.fixture.token.Reveal()) // it is found under the one that is there
	f.must(err)
	in, err := command.StartSession(t.Context(), f.owner.User.ID, api.SessionCLI, core.Client{})
	f.must(err)
	_, err = f.svc.Authenticate(t.Context(), in.Token.Reveal())
	f.refused(err, api.CodeUnavailable, "lacks a key file")
	_, err = f.admit(f.svc, f.secrets["sealed"])
	f.refused(err, api.CodeUnavailable, "lacks a key file")
	var missing *core.MissingMaterial
	if !errors.As(err, &missing) || missing.ID != core.PepperID(newer) || missing.Kind != store.MaterialPepper {
		t.Errorf("it lacks %v", missing)
	}
	_, _, _, err = f.svc.CreateKey(t.Context(), f.owner, "acme", core.NewKey{Name: "new"})
	f.refused(err, api.CodeUnavailable, "lacks a key file")
	f.clock.move(time.Second)
	f.refused(f.svc.Ready(t.Context()), api.CodeUnavailable, "lacks a key file")
	if _, err := core.New(core.Config{Store: f.store, Material: testMaterial()}); !errors.Is(err, core.ErrMaterial) {
		t.Errorf("one that starts: %v", err)
	}
	f.keys.put(newer)
	f.opensAll(f.svc)
	f.must(f.svc.Ready(t.Context()))
}

// TestChecksWhileDigestsMove: no valid key is refused by a service while another process moves digests to another pepper, whatever it
// remembers; and one that is disabled is refused at once.
func TestChecksWhileDigestsMove(t *testing.T) {
	t.Parallel()
	f := newPeppered(t)
	for n := range 300 {
		name := fmt.Sprint("key ", n)
		_, f.secrets[name] = f.fixture.create(core.NewKey{Name: name})
	}
	command := func() (*core.Service, [32]byte) {
		newer := [32]byte{byte(time.Now().UnixNano()), 7, byte(len(f.keys.m.OtherPeppers))}
		f.keys.put(newer)
		cfg := f.cfg
		cfg.Store, cfg.Brief = f.db.Open(t), true
		cfg.Material, _ = f.keys.read()
		svc, err := core.New(cfg)
		f.must(err)
		f.Cleanup(func() { _ = svc.Close(context.WithoutCancel(f.Context())) })
		return svc, newer
	}
	for range 2 {
		svc, newer := command()
		done := make(chan error, 1)
		go func() {
			err := svc.AddPepper(t.Context(), newer)
			if err == nil {
				_, err = svc.Redigest(t.Context())
			}
			done <- err
		}()
		checks := 0
		for ended := false; !ended; {
			select {
			case err := <-done:
				f.must(err)
				ended = true
			default:
			}
			for name, sec := range f.secrets {
				if checks++; checks%100 == 0 {
					core.DistrustForTest(f.svc)
				}
				if checks%7 == 0 {
					core.EndLeaseForTest(f.svc)
				}
				if _, err := f.admit(f.svc, sec); err != nil {
					t.Fatalf("%s, after %d checks: %v", name, checks, err)
				}
			}
		}
		t.Log(checks, "checks")
	}
	f.must(core.MovePresentedForTest(t.Context(), f.svc))
	for name, sec := range f.secrets {
		_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", name, false, "")
		f.must(err)
		_, err = f.admit(f.svc, sec)
		f.refused(err, api.CodeKeyDisabled, "")
	}
}

// TestRevokedAfterItMoved: what a service remembers by an old digest is gone once it has another, whoever moved it.
func TestRevokedAfterItMoved(t *testing.T) {
	t.Parallel()
	for who, here := range map[string]bool{"by itself": true, "by another process": false} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			f := newPeppered(t)
			newer := [32]byte{9}
			f.keys.put(newer)
			other := f.process(f.keys)
			f.must(f.svc.AddPepper(t.Context(), newer))
			f.opens(f.svc)
			f.opens(f.svc) // from memory
			f.opens(other)
			mover := f.svc
			if !here {
				mover = other
			}
			f.must(core.MovePresentedForTest(t.Context(), mover))
			_, err := mover.Redigest(t.Context())
			f.must(err)
			if uses := f.peppers(mover)[core.PepperID(testMaterial().Pepper)]; slices.ContainsFunc(uses, func(u store.PepperUse) bool {
				return u.Kind == store.UseSecret || u.Kind == store.UseSealed || u.Kind == store.UseRetired
			}) {
				t.Fatalf("not all has moved: %v", uses)
			}
			for name, sec := range f.secrets {
				_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", name, false, "")
				f.must(err)
				_, err = f.admit(f.svc, sec)
				f.refused(err, api.CodeKeyDisabled, "")
			}
		})
	}
}

// TestSeveralPeppers: one that still has rows is carried, up to a number of them.
func TestSeveralPeppers(t *testing.T) {
	t.Parallel()
	f := newPeppered(t)
	var added []string
	for n := range 4 {
		newer := [32]byte{9, byte(n)}
		f.keys.put(newer)
		err := f.svc.AddPepper(t.Context(), newer)
		if n == 3 {
			f.is(err, core.ErrPeppers)
			continue
		}
		f.must(err)
		added = append(added, core.PepperID(newer))
		_, err = f.svc.Redigest(t.Context())
		f.must(err)
		f.opensAll(f.svc)
		f.opensAll(f.process(f.keys))
	}
	all, err := f.svc.Peppers(t.Context())
	f.must(err)
	var ids []string
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	f.equal("the newest first", ids, []string{added[2], added[1], added[0], core.PepperID(testMaterial().Pepper)})
	if err := f.svc.AddPepper(t.Context(), [32]byte{9, 0}); err == nil {
		t.Error("an old pepper is taken for a new one")
	}
	f.clock.move(26 * time.Hour)
	dropped, err := f.svc.DropPeppers(t.Context(), false)
	f.must(err)
	f.equal("those between", dropped, []string{added[1], added[0]})
	f.opens(f.svc)
}
