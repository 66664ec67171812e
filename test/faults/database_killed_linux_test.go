package faults

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

var databaseKills = flag.Int("database-kills", 5, "how often TestDatabaseKilled kills PostgreSQL") //nolint:gochecknoglobals // a flag

// TestDatabaseKilled kills all processes of PostgreSQL with -9 while clients change keys through three replicas, again and again.
// Nothing that was acknowledged is lost, a create whose answer was lost is made once, by its idempotency key, and the replicas
// serve again by themselves.
func TestDatabaseKilled(t *testing.T) {
	t.Parallel()
	const clients = 4
	c := newCluster(t, "")
	keys, unsure := make([][]*owned, clients), 0
	for round := range *databaseKills {
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		lost := make([]string, clients)
		for i := range clients {
			s := c.nodes[i%len(c.nodes)].service
			group.Go(func() { keys[i], lost[i] = s.changeKeys(ctx, fmt.Sprintf("%d-%d", round, i), keys[i]) })
		}
		<-time.After(100*time.Millisecond + time.Duration(rand.IntN(200))*time.Millisecond) // at any moment
		c.server.Stop(t, syscall.SIGKILL)
		cancel()
		group.Wait()
		c.server.Start(t)
		for _, n := range c.nodes {
			n.serves()
		}
		for i, name := range lost {
			if name == "" {
				continue
			}
			unsure++
			// another replica than the one that was asked
			keys[i] = append(keys[i], c.nodes[(i+1)%len(c.nodes)].resolved(name))
		}
		for i, list := range keys {
			for _, k := range list {
				c.nodes[(i+round)%len(c.nodes)].holds(k)
			}
		}
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
		if round%5 == 4 && round+1 < *databaseKills { // no more than the replicas may have to answer for in a moment
			keys = make([][]*owned, clients)
		}
	}
	total := 0
	for _, list := range keys {
		total += len(list)
	}
	if total == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("PostgreSQL was killed %d times; %d keys of the last rounds are as they were acknowledged, %d creates were unsure and made once",
		*databaseKills, total, unsure)
}

// changeKeys changes keys until something gets no answer, and returns them with what was acknowledged, and the name of the key
// whose create got none.
func (s *service) changeKeys(ctx context.Context, who string, keys []*owned) (all []*owned, lost string) {
	c, err := client.New(client.Config{URL: s.url, Token: s.session, Once: true})
	if err != nil {
		s.Error(err)
		return keys, ""
	}
	for n := 0; ctx.Err() == nil; n++ {
		if n%3 == 0 {
			name := fmt.Sprintf("k-%s-%d", who, n)
			k, err := s.create(name) //nolint:contextcheck // it ends with its answer, not half-way
			if err != nil {
				s.unanswered(err)
				return keys, name
			}
			keys = append(keys, k)
			continue
		}
		k := keys[rand.IntN(len(keys))]
		if k.is == deleted || k.may != "" {
			continue
		}
		switch {
		case rand.IntN(8) == 0:
			k.may = deleted
			err = c.DeleteKey(context.WithoutCancel(ctx), "acme", k.key.ID, client.DeleteKeyOptions{AcknowledgeRecentUse: true})
		case k.is == enabled:
			k.may = disabled
			_, err = c.DisableKey(context.WithoutCancel(ctx), "acme", k.key.ID, "")
		default:
			k.may = enabled
			_, err = c.EnableKey(context.WithoutCancel(ctx), "acme", k.key.ID, "")
		}
		if err != nil {
			s.unanswered(err)
			return keys, ""
		}
		k.is, k.may = k.may, ""
		k.events++
	}
	return keys, ""
}

// unanswered wants an answer that leaves it open whether the change was made, or none.
func (s *service) unanswered(err error) {
	s.Helper()
	refused := (*client.Error)(nil)
	switch lost := (*client.UnreachableError)(nil); {
	case errors.Is(err, errUnsure), errors.As(err, &lost):
	case errors.As(err, &refused) && (refused.Code == api.CodeUnavailable || refused.Code == api.CodeReplicaStale):
	default:
		s.Errorf("a change: %v", err)
	}
}

var errUnsure = errors.New("it is not known whether the key was made")

// create makes a key, with its name as the idempotency key.
func (s *service) create(name string) (*owned, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/orgs/acme/keys", strings.NewReader(`{"name":"`+name+`"}`))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.session.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", `"`+name+`"`)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsure, err)
	}
	defer res.Body.Close()
	var made api.KeyWithSecret
	switch err := json.NewDecoder(res.Body).Decode(&made); {
	case res.StatusCode == http.StatusServiceUnavailable:
		return nil, errUnsure
	case err != nil || res.StatusCode != http.StatusCreated:
		return nil, fmt.Errorf("create %s: %s (%w)", name, res.Status, err)
	}
	return &owned{key: made.Key, secret: made.Secret, is: enabled, events: 1}, nil
}

// resolved makes the key whose create had no answer again: it is the same one, if there was one.
func (n *node) resolved(name string) *owned {
	n.Helper()
	k, err := n.create(name)
	if err != nil {
		n.Fatal(err)
	}
	again, err := n.create(name)
	if err != nil {
		n.Fatal(err)
	}
	if k.key.ID != again.key.ID || k.secret != again.secret {
		n.Errorf("%s was made twice: %s and %s", name, k.key.ID, again.key.ID)
	}
	return k
}

// serves waits until the replica is ready.
func (n *node) serves() {
	n.Helper()
	for until := time.Now().Add(wait); ; {
		status, text, err := n.ask(http.MethodGet, "/readyz", "", "")
		if status == http.StatusOK {
			return
		}
		if time.Now().After(until) {
			n.Fatalf("it does not recover: %d %s (%v)", status, text, err)
		}
	}
}
