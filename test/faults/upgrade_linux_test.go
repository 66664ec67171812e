package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// nextKeyfobd is the program of a later version, with a schema of its own.
var nextKeyfobd = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // it is removed with the others by TestMain
	program := filepath.Join(built, "keyfobd-next")
	build := exec.Command("go", "build", "-tags", "next", "-ldflags", "-X github.com/keyfob/keyfob/internal/build.version=v9-next", "-o", program,
		"github.com/keyfob/keyfob/cmd/keyfobd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return program, nil
})

// TestRollingUpgrade: while clients create, check, disable, enable and rotate keys, three replicas are replaced one after the other by
// a version with a newer schema, and one is taken back. No request fails, no check is answered by what was changed before, and each
// version says who is there. A schema that is not for older programs is not made while a replica serves, and refuses them after.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	next, err := nextKeyfobd()
	if err != nil {
		t.Fatal(err)
	}
	now, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t, "", "--drain-delay", "2s")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	b := newBalancer(ctx, t, &group, c.nodes)
	for i := range 3 {
		group.Go(func() { b.lives(func() bool { return ctx.Err() == nil }, i, c.nodes[0].session) }) //nolint:contextcheck // each request has its own end
	}
	versions := func(program string, want map[string]int) {
		t.Helper()
		if got := c.versions(t, program); !maps.Equal(got, want) {
			t.Errorf("status of %s shows %v, want %v", filepath.Base(program), got, want)
		}
	}
	b.more(30)
	versions(now, map[string]int{"dev": 3})
	for i, n := range c.nodes {
		c.replace(t, n, next)
		b.more(30)
		seen := map[string]int{"dev": 2 - i, "v9-next": i + 1}
		maps.DeleteFunc(seen, func(_ string, n int) bool { return n == 0 })
		versions(next, seen)
		versions(now, seen) // an older one looks at a schema that it may run on
	}
	c.replace(t, c.nodes[1], now)
	b.more(30)
	versions(next, map[string]int{"dev": 1, "v9-next": 2})

	// What a program after the next one did, which says that none before may run.
	database, err := url.Parse(c.nodes[0].flags[1])
	if err != nil {
		t.Fatal(err)
	}
	c.server.Exec(t, c.server.Socket(database.Path[1:]), `INSERT INTO schema_migrations (version, name, applied_at, since) VALUES (3, '0003.sql', 0, 3)`)
	b.more(30) // who runs goes on
	cancel()
	group.Wait()
	c.nodes[0].stop()
	for _, program := range []string{now, next} {
		c.nodes[0].program = program
		if err := c.nodes[0].tryStart(); err == nil || !strings.Contains(err.Error(), "its schema is 3, for programs that know 3") {
			t.Errorf("on a schema that is not for it: %v", err)
		}
	}
	t.Logf("%d requests were answered, %d of them at the second replica", b.asked.Load(), b.repeated.Load())
}

// replace stops a replica in order and starts another program in its place.
func (c *cluster) replace(t *testing.T, n *node, program string) {
	t.Helper()
	n.stop()
	n.program = program
	c.again(n)
	n.serves()
}

// versions counts the replicas by version, as status shows them.
func (c *cluster) versions(t *testing.T, program string) map[string]int {
	t.Helper()
	n := c.nodes[0]
	cmd := exec.CommandContext(t.Context(), program, append([]string{"status", "-o", "json", "--data-dir", n.data}, n.flags...)...)
	cmd.Env = append(os.Environ(), n.env...)
	out, err := cmd.Output()
	var doc struct {
		Replicas []struct{ Version, State string }
	}
	if jsonErr := json.Unmarshal(out, &doc); err != nil || jsonErr != nil {
		t.Errorf("%s (%v, %v)", out, err, jsonErr)
	}
	count := map[string]int{}
	for _, r := range doc.Replicas {
		count[r.Version]++
	}
	return count
}

// lives has keys made, used, disabled, enabled and rotated, one after the other.
func (b *balancer) lives(going func() bool, who int, owner secret.Secret) {
	for n := 0; going() && !b.Failed(); n++ {
		name := fmt.Sprintf("k-%d-%d", who, n)
		path := "/v1/orgs/acme/keys/" + name
		var made api.KeyWithSecret
		var opened api.RotationOpened
		if err := json.Unmarshal([]byte(b.wants(http.StatusCreated, http.MethodPost, "/v1/orgs/acme/keys", owner, `{"name":"`+name+`"}`, "Idempotency-Key", `"`+name+`"`)), &made); err != nil {
			b.Error(err)
			return
		}
		b.everywhere(http.StatusNoContent, made.Secret)
		b.wants(http.StatusOK, http.MethodPost, path+"/disable", owner, "")
		b.everywhere(http.StatusUnauthorized, made.Secret)
		b.wants(http.StatusOK, http.MethodPost, path+"/enable", owner, "")
		b.everywhere(http.StatusNoContent, made.Secret)
		text := b.wants(http.StatusCreated, http.MethodPost, path+"/rotations", owner, `{"emergency":true}`, "Idempotency-Key", `"r-`+name+`"`)
		if err := json.Unmarshal([]byte(text), &opened); err != nil {
			b.Error(err)
			return
		}
		b.everywhere(http.StatusUnauthorized, made.Secret)
		b.everywhere(http.StatusNoContent, opened.Secret)
	}
}

// TestUpgradeOfAFile: a service on its own is upgraded, and taken back, on the same file.
func TestUpgradeOfAFile(t *testing.T) {
	t.Parallel()
	next, err := nextKeyfobd()
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t)
	s.start()
	key := s.makeKeys(t, 1)["k0"]
	for _, program := range slices.Repeat([]string{next, ""}, 2) {
		s.stop()
		s.program = program
		s.start()
		s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", key, "")
		s.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k0/disable", s.session.Reveal(), "")
		s.wants(http.StatusUnauthorized, http.MethodGet, "/v1/authz", key, "")
		s.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k0/enable", s.session.Reveal(), "")
		s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", key, "")
	}
	s.stop()
	s.sound()
}
