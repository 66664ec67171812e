package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

var kills = flag.Int("kills", 10, "how often TestKilled kills the service") //nolint:gochecknoglobals // a flag

// states of a key as its owner knows it. A change whose answer was lost leaves either.
const (
	enabled  = "enabled"
	disabled = "disabled"
	deleted  = "deleted"
)

// owned is a key and what was acknowledged of it.
type owned struct {
	key    api.Key
	secret string
	is     string
	may    string // what a change without an answer would have made of it; empty: nothing
	events int    // that must be on record
}

// TestKilled kills the service with -9 while clients change keys, again and again, and asks the next one for all that was
// acknowledged: keys, revocations and events.
func TestKilled(t *testing.T) {
	t.Parallel()
	const clients = 4
	s := newService(t)
	keys := make([][]*owned, clients)
	for round := range *kills {
		s.start()
		for _, list := range keys {
			for _, k := range list {
				s.holds(k)
			}
		}
		if round%10 == 9 { // no more than the service may have to answer for in a moment
			keys = make([][]*owned, clients)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range clients {
			group.Go(func() { keys[i] = s.change(ctx, i, keys[i]) })
		}
		<-time.After(time.Duration(rand.IntN(60)) * time.Millisecond) // at any moment
		s.kill()
		cancel()
		group.Wait()
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
		if round%50 == 0 {
			s.sound()
		}
	}
	s.start()
	total := 0
	for _, list := range keys {
		total += len(list)
		for _, k := range list {
			s.holds(k)
		}
	}
	s.stop()
	s.sound()
	t.Logf("killed %d times; %d keys of the last rounds are as they were acknowledged", *kills, total)
}

// change changes keys until the service is gone, and returns them with what was acknowledged.
func (s *service) change(ctx context.Context, who int, keys []*owned) []*owned {
	c, err := client.New(client.Config{URL: s.url, Token: s.session, Once: true})
	if err != nil {
		s.Error(err)
		return keys
	}
	for n := 0; ctx.Err() == nil; n++ {
		if n%4 == 0 {
			k, made, err := c.CreateKey(ctx, "acme", api.CreateKeyRequest{Name: fmt.Sprintf("k-%d-%d-%d", who, time.Now().UnixNano(), n)})
			if err != nil {
				s.broken(err)
				return keys
			}
			keys = append(keys, &owned{key: k, secret: made.Reveal(), is: enabled, events: 1})
			continue
		}
		k := keys[rand.IntN(len(keys))]
		if k.is == deleted || k.may != "" {
			continue
		}
		var to string
		switch {
		case rand.IntN(8) == 0:
			to = deleted
			k.may = to
			err = c.DeleteKey(ctx, "acme", k.key.ID, client.DeleteKeyOptions{AcknowledgeRecentUse: true})
		case k.is == enabled:
			to = disabled
			k.may = to
			_, err = c.DisableKey(ctx, "acme", k.key.ID, "")
		default:
			to = enabled
			k.may = to
			_, err = c.EnableKey(ctx, "acme", k.key.ID, "")
		}
		if err != nil {
			s.broken(err)
			return keys
		}
		k.is, k.may = to, ""
		k.events++
	}
	return keys
}

// broken wants a lost connection: a service that is killed refuses nothing.
func (s *service) broken(err error) {
	if lost := (*client.UnreachableError)(nil); !errors.As(err, &lost) && !errors.Is(err, context.Canceled) {
		s.Errorf("a change: %v", err)
	}
}

// answers wants the status for a key. A replica may say that it can't answer, and is asked again.
func (s *service) answers(want int, key string) {
	s.Helper()
	if slices.Contains(s.flags, "--database") {
		for until := time.Now().Add(wait); time.Now().Before(until); {
			if status, _, err := s.ask(http.MethodGet, "/v1/authz", key, ""); err == nil && status != http.StatusServiceUnavailable {
				break
			}
		}
	}
	s.wants(want, http.MethodGet, "/v1/authz", key, "")
}

// comesTo waits until a replica goes by a change that was made and of which nobody was told: it may go by what was before until its
// lease from then ends, and not longer.
func (s *service) comesTo(want int, key string) {
	s.Helper()
	const lease = time.Second
	for until := time.Now().Add(lease); slices.Contains(s.flags, "--database") && time.Now().Before(until); {
		if status, _, err := s.ask(http.MethodGet, "/v1/authz", key, ""); err == nil && status == want {
			return
		}
	}
}

// holds asks for a key, whether it opens, and for its events.
func (s *service) holds(k *owned) {
	s.Helper()
	c := s.client()
	got, err := c.Key(s.Context(), "acme", k.key.ID)
	is := enabled
	refused := (*client.Error)(nil)
	switch {
	case errors.As(err, &refused) && refused.Code == api.CodeKeyNotFound:
		is = deleted
	case err != nil:
		s.Fatal(err)
	case got.Status == api.StatusDisabled:
		is = disabled
	}
	if is != k.is && is != k.may {
		s.Errorf("key %s is %s; acknowledged: %s, possible: %q", k.key.ID, is, k.is, k.may)
	}
	unsure := k.may != "" && is == k.may
	if unsure {
		k.events++
	}
	k.is, k.may = is, ""
	want := http.StatusUnauthorized
	if is == enabled {
		want = http.StatusNoContent
	}
	if unsure {
		s.comesTo(want, k.secret)
	}
	s.answers(want, k.secret)
	events := 0
	for e, err := range c.Events(s.Context(), "acme", client.ListEventsOptions{Key: k.key.ID}) {
		if err != nil {
			s.Fatal(err)
		}
		if e.Type != "" {
			events++
		}
	}
	if events != k.events {
		s.Errorf("key %s has %d events, want %d", k.key.ID, events, k.events)
	}
}
