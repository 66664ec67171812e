package faults

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/secret"
)

var replicaOperations = flag.Int("replica-operations", 50_000, "how many operations TestReplicas makes at least") //nolint:gochecknoglobals // a flag

// TestReplicas: three services on one PostgreSQL that are killed, paused and cut off from it, while it is killed, too. A check that
// begins after a change was answered goes by it, on whichever replica. A build without the wait for the replicas is caught.
func TestReplicas(t *testing.T) {
	t.Parallel()
	t.Run("as it is", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, "")
		load := newLoad(t, c.nodes[0].session, c.any)
		load.history.replicas = true
		load.run(t.Context(), *replicaOperations, c.trouble)
		load.judge(t)
		t.Logf("killed %d times, paused %d, cut off %d, the database killed %d", c.killed, c.paused, c.cut, c.lost)
	})
	t.Run("without the wait", func(t *testing.T) {
		t.Parallel()
		c := newCluster(t, "mutant")
		load := newLoad(t, c.nodes[0].session, c.any)
		load.history.replicas = true
		load.run(t.Context(), 5000, c.trouble)
		bad := load.history.violations(t)
		t.Logf("%d operations, %d keys did what no key may do", load.history.count, len(bad))
		if len(bad) == 0 {
			t.Error("the mutant was not caught")
		}
	})
}

// cluster is three services on one PostgreSQL, each behind a proxy of its own.
type cluster struct {
	*testing.T
	server *pgtest.Server
	nodes  []*node

	killed, paused, cut, lost int
}

type node struct {
	*service
	proxy *toxiproxy.Proxy

	mu  sync.Mutex
	now string // its URL; it changes with each start
}

func newCluster(t *testing.T, tag string, flags ...string) *cluster {
	t.Helper()
	c := &cluster{T: t, server: pgtest.Own(t)}
	database, err := url.Parse(c.server.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	program, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	if tag != "" {
		program = filepath.Join(built, "keyfobd-"+tag)
		build := exec.CommandContext(t.Context(), "go", "build", "-tags", tag, "-o", program, "github.com/keyfob/keyfob/cmd/keyfobd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	var first *service
	for range 3 {
		p := toxiproxy.NewProxy(proxies, t.Name(), "127.0.0.1:0", c.server.Address())
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		s := &service{
			T: t, data: filepath.Join(t.TempDir(), "data"), program: program, env: []string{"PGPASSWORD=" + pgtest.Password},
			flags: []string{"--database", "postgres://" + pgtest.User + "@" + p.Listen + database.Path}, more: flags,
		}
		if first == nil {
			first = s
			s.bootstrap()
		}
		s.session = first.session
		if err := os.MkdirAll(s.data, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"master.key", "pepper.key"} {
			text, err := os.ReadFile(filepath.Join(first.data, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(s.data, name), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(s.kill)
		s.start()
		n := &node{service: s, proxy: p, now: s.url}
		c.nodes = append(c.nodes, n)
	}
	return c
}

// bootstrap makes the organisation on the database.
func (s *service) bootstrap() {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), s.program, append([]string{"bootstrap", "-o", "json", "--data-dir", s.data, "--org", "acme"}, s.flags...)...)
	cmd.Env = append(os.Environ(), s.env...)
	out, err := cmd.Output()
	if err != nil {
		s.Fatal(err)
	}
	var made struct{ Session string }
	if err := json.Unmarshal(out, &made); err != nil {
		s.Fatal(err)
	}
	if s.session, err = secret.Parse(secret.Session, made.Session); err != nil {
		s.Fatal(err)
	}
}

// any is the URL of any replica, whether it runs or not.
func (c *cluster) any() string {
	n := c.nodes[rand.IntN(len(c.nodes))]
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now
}

// trouble makes trouble until ctx ends, and then none is left.
func (c *cluster) trouble(ctx context.Context) {
	for i := 0; !c.Failed(); i++ {
		n := c.nodes[rand.IntN(len(c.nodes))]
		switch i % 4 {
		case 0:
			n.kill()
			c.killed++
			c.again(n)
		case 1:
			_ = syscall.Kill(n.cmd.Process.Pid, syscall.SIGSTOP)
			c.rest(ctx, 500, 2500)
			_ = syscall.Kill(n.cmd.Process.Pid, syscall.SIGCONT)
			c.paused++
		case 2:
			if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut","type":"timeout","attributes":{"timeout":0}}`)); err != nil {
				c.Error(err)
			}
			c.rest(ctx, 500, 2500)
			if err := n.proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), "cut"); err != nil {
				c.Error(err)
			}
			c.cut++
		case 3:
			if i%8 == 3 {
				c.server.Stop(c.T, syscall.SIGKILL)
				c.rest(ctx, 100, 500)
				c.server.Start(c.T) //nolint:contextcheck // it is to start whatever has ended
				c.lost++
			}
		}
		if ctx.Err() != nil {
			return
		}
		c.rest(ctx, 500, 2000)
	}
}

func (*cluster) rest(ctx context.Context, least, most int) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(least+rand.IntN(most-least)) * time.Millisecond):
	}
}

// again starts a replica, as often as it takes: the database may be away.
func (c *cluster) again(n *node) {
	for until := time.Now().Add(3 * wait); ; {
		err := n.tryStart()
		if err == nil {
			break
		}
		if time.Now().After(until) {
			c.Error(errors.New("a replica does not start: " + err.Error()))
			return
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = n.url
}
