package core_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
)

func TestSealForAPurpose(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := []byte("a state that a browser carries")
	sealed, err := f.svc.Seal("state", text)
	f.must(err)
	got, err := f.service().Open("state", sealed) // on another replica
	f.must(err)
	f.equal("text", string(got), string(text))
	if bytes.Contains(sealed, text[2:7]) {
		t.Error("it can be read")
	}
	other, err := core.New(core.Config{Store: fixtureOn(t).store, Material: core.Material{MasterKey: [32]byte{3}, Pepper: [32]byte{2}}})
	f.must(err)
	for name, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return f.svc.Open("state2", sealed) },
		"another service": func() ([]byte, error) { return other.Open("state", sealed) },
		"changed":         func() ([]byte, error) { return f.svc.Open("state", append([]byte{sealed[0] ^ 1}, sealed[1:]...)) },
		"cut":             func() ([]byte, error) { return f.svc.Open("state", sealed[:len(sealed)-1]) },
		"nothing":         func() ([]byte, error) { return f.svc.Open("state", nil) },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: it opened to %q", name, got)
		}
	}
	f.must(other.Close(t.Context()))
}

func TestTagForAPurpose(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tag, err := f.svc.Tag("session", "text")
	f.must(err)
	other, err := core.New(core.Config{Store: fixtureOn(t).store, Material: core.Material{MasterKey: [32]byte{3}, Pepper: [32]byte{2}}})
	f.must(err)
	for name, tt := range map[string]struct {
		is, want bool
	}{
		"on another replica": {f.service().Tagged("session", "text", tag), true},
		"another purpose":    {f.svc.Tagged("session2", "text", tag), false},
		"another text":       {f.svc.Tagged("session", "text2", tag), false},
		"another service":    {other.Tagged("session", "text", tag), false},
		"cut":                {f.svc.Tagged("session", "text", tag[:15]), false},
		"nothing":            {f.svc.Tagged("session", "text", nil), false},
	} {
		if tt.is != tt.want {
			t.Errorf("%s: %t", name, tt.is)
		}
	}
	f.must(other.Close(t.Context()))
}

// TestPurposeAfterAnotherStarted: what a replica seals that started under a new master key opens for one that has heard of it.
func TestPurposeAfterAnotherStarted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	newer := core.Material{MasterKey: [32]byte{3}, Pepper: testMaterial().Pepper, Others: [][32]byte{testMaterial().MasterKey}}
	start := func(m core.Material) *core.Service {
		svc, err := core.New(core.Config{Store: f.store, Material: m, Now: f.clock.now, Reload: func() (core.Material, error) { return newer, nil }})
		f.must(err)
		t.Cleanup(func() { _ = svc.Close(context.WithoutCancel(t.Context())) })
		return svc
	}
	goesOn := start(testMaterial())
	f.must(goesOn.AddMasterKey(t.Context(), newer.MasterKey))
	old := start(testMaterial())
	f.must(core.MovePresentedForTest(t.Context(), old))
	sealed, err := start(newer).Seal("state", []byte("text"))
	f.must(err)
	text, err := old.Open("state", sealed)
	f.must(err)
	f.equal("opened", string(text), "text")
	tag, err := start(newer).Tag("session", "text")
	f.must(err)
	f.equal("tagged", old.Tagged("session", "text", tag), true)
}
