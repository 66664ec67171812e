package secret_test

import (
	"sync"
	"testing"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestDigesterIsDigest(t *testing.T) {
	t.Parallel()
	pepper := []byte("a pepper")
	d := secret.NewDigester(pepper)
	pepper[0] = 'x' // it has a copy
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 200 {
				s := secret.New(secret.Key)
				if d.Digest(s) != s.Digest([]byte("a pepper")) {
					t.Error("the digest is another")
					return
				}
			}
		})
	}
	group.Wait()
	s := secret.New(secret.Session)
	if d.Digest(s) != s.Digest([]byte("a pepper")) || d.Digest(secret.Secret{}) != (secret.Secret{}).Digest([]byte("a pepper")) {
		t.Error("the digest of a session or of none is another")
	}
}

func TestJunkCostsNoMemory(t *testing.T) { // not parallel: it counts allocations
	good := secret.New(secret.Key).Reveal()
	for _, s := range []string{good, good[:40], good[:39] + "xx", "", "kf_é" + good} {
		if n := testing.AllocsPerRun(100, func() { _, _ = secret.Parse(secret.Key, s) }); n != 0 {
			t.Errorf("%q: %g allocations", s, n)
		}
	}
}
