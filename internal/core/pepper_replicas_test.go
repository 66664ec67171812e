package core_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// shared is two replicas and who rotates, each on its own connections to one PostgreSQL database.
type shared struct {
	*testing.T
	keys     *keyring
	replicas [2]*core.Service
	command  *core.Service
	owner    core.Principal
	secrets  map[string]secret.Secret
}

func newShared(t *testing.T) *shared {
	t.Helper()
	s := &shared{T: t, keys: &keyring{m: testMaterial()}, secrets: map[string]secret.Secret{}}
	database := pgtest.Own(t).Database(t)
	service := func(name string) *core.Service {
		t.Helper()
		c, err := postgres.Parse(database)
		s.must(err)
		db, err := postgres.Open(t.Context(), c)
		s.must(err)
		t.Cleanup(func() { _ = db.Close() })
		m, err := s.keys.read()
		s.must(err)
		svc, err := core.New(core.Config{Store: db, Material: m, Reload: s.keys.read, Replica: name, Brief: name == ""})
		s.must(err)
		t.Cleanup(func() { _ = svc.Close(context.WithoutCancel(t.Context())) })
		return svc
	}
	s.command = service("")
	_, user, err := s.command.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	s.must(err)
	in, err := s.command.StartSession(t.Context(), user.ID, api.SessionCLI, core.Client{})
	s.must(err)
	s.owner, err = s.command.Authenticate(t.Context(), in.Token.Reveal())
	s.must(err)
	s.replicas = [2]*core.Service{service("one"), service("two")}
	return s
}

func (s *shared) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// admit is a check by a replica that has a lease, which a machine that is busy may take from it.
func (s *shared) admit(svc *core.Service, sec secret.Secret) error {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		_, err := svc.CheckKey(s.Context(), sec.Reveal(), core.Origin{})
		if !isRefusal(err, api.CodeReplicaStale) || time.Now().After(deadline) {
			return err
		}
	}
}

// TestPepperRotationAmongReplicas: no replica refuses a valid key while digests move, and none lets a key in that was disabled after
// its digest moved.
func TestPepperRotationAmongReplicas(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	create := func(svc *core.Service, name string) {
		t.Helper()
		_, sec, _, err := svc.CreateKey(t.Context(), s.owner, "acme", core.NewKey{Name: name})
		s.must(err)
		s.secrets[name] = sec
	}
	for n := range 250 { // more than are moved at once
		create(s.command, fmt.Sprint("key ", n))
	}
	newer := [32]byte{9}
	s.keys.put(newer)
	done := make(chan error, 1)
	go func() {
		err := s.command.AddPepper(t.Context(), newer)
		if err == nil {
			_, err = s.command.Redigest(t.Context())
		}
		done <- err
	}()
	rounds := 0
	for ended := false; !ended; rounds++ {
		select {
		case err := <-done:
			s.must(err)
			ended = true
		default:
		}
		create(s.replicas[rounds%2], fmt.Sprint("made ", rounds))
		for name, sec := range s.secrets {
			for n, svc := range s.replicas {
				if err := s.admit(svc, sec); err != nil {
					t.Fatalf("replica %d, round %d, %s: %v", n, rounds, name, err)
				}
			}
		}
	}
	t.Log(rounds, "rounds of", len(s.secrets), "checks by each replica")
	for _, svc := range s.replicas {
		s.must(core.MovePresentedForTest(t.Context(), svc))
	}
	all, err := s.command.Peppers(t.Context())
	s.must(err)
	if len(all) != 2 || all[0].ID != core.PepperID(newer) || len(all[1].Uses) != 1 || all[1].Uses[0] != (store.PepperUse{Kind: store.UseSession, Rows: 1}) {
		t.Errorf("%+v", all)
	}
	for n := range 20 {
		name := fmt.Sprint("key ", n)
		_, err := s.replicas[n%2].SetKeyEnabled(t.Context(), s.owner, "acme", name, false, "")
		s.must(err)
		for _, svc := range s.replicas {
			if err := s.admit(svc, s.secrets[name]); !isRefusal(err, api.CodeKeyDisabled) {
				t.Fatalf("%s was disabled, and is answered %v", name, err)
			}
		}
	}
}

// TestAReplicaWithoutThePepper has no lease from when the store names one, and gets it once it has the key.
func TestAReplicaWithoutThePepper(t *testing.T) {
	t.Parallel()
	s := newShared(t)
	_, sec, _, err := s.replicas[0].CreateKey(t.Context(), s.owner, "acme", core.NewKey{Name: "ci"})
	s.must(err)
	for _, svc := range s.replicas {
		s.must(s.admit(svc, sec))
	}
	newer := [32]byte{9}
	s.must(s.command.AddPepper(t.Context(), newer)) // once both have lost their leases
	_, err = s.command.Redigest(t.Context())
	s.must(err)
	for n, svc := range s.replicas {
		if _, err := svc.CheckKey(t.Context(), sec.Reveal(), core.Origin{}); !isRefusal(err, api.CodeReplicaStale) {
			t.Errorf("replica %d answers %v", n, err)
		}
	}
	s.keys.put(newer)
	for _, svc := range s.replicas {
		s.must(s.admit(svc, sec))
	}
}
