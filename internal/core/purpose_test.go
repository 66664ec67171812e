package core_test

import (
	"bytes"
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
