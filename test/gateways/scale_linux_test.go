package gateways

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/logtest"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// TestScale does what docs/scale.md prints, with addresses and folders of its own and without TLS: three replicas on PostgreSQL
// and nginx before them.
func TestScale(t *testing.T) {
	t.Parallel()
	need(t, "nginx")
	s := newScale(t)
	for i := range s.replicas {
		s.replicas[i].start(t)
	}
	g := nginx()
	g.run(t, s.text(t, "nginx", 0), s.front)
	s.ready(t, 0, 1, 2)
	front := "http://" + s.front
	owner := owner(t, s.owner, front)
	key, made, err := owner.CreateKey(t.Context(), "acme", api.CreateKeyRequest{Name: "through nginx"})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.replicas {
		r.wants(t, http.StatusNoContent, made.Reveal())
	}

	checked, refused := underLoad(t, front, made.Reveal(), func(more func()) {
		if err := s.replicas[0].cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		more()
		s.replicas[1].stop() // in order
		more()
	})
	if refused > 0 && strings.Count(s.replicas[2].log.String(), "this replica has a lease") < 2 { // a machine with much to do may cost it its lease
		t.Errorf("%d checks were refused though a replica had its lease", refused)
	}
	t.Logf("%d checks through nginx, %d of them refused, while one replica was killed and another stopped", checked, refused)

	third := s.replicas[2].client(t, s.owner)
	if _, err := third.DisableKey(t.Context(), "acme", key.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.replicas[2].wants(t, http.StatusUnauthorized, made.Reveal())
	s.replicas[0].stop()
	s.replicas[0].start(t)
	s.replicas[1].start(t)
	s.ready(t, 0, 1)
	for _, r := range s.replicas {
		r.wants(t, http.StatusUnauthorized, made.Reveal())
	}
	if _, err := third.EnableKey(t.Context(), "acme", key.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.replicas {
		r.wants(t, http.StatusNoContent, made.Reveal())
	}
	if _, err := s.replicas[0].client(t, s.owner).DisableKey(t.Context(), "acme", key.ID, ""); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.replicas {
		r.wants(t, http.StatusUnauthorized, made.Reveal())
	}
}

// underLoad checks the key through nginx all the while that do runs; more waits for some checks.
func underLoad(t *testing.T, front, key string, do func(more func())) (checked, refused int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var passed, others atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				if status, _ := call(t, http.MethodGet, front+"/v1/authz", "", "X-API-Key", key); status != http.StatusNoContent { //nolint:contextcheck // it ends with its answer, not half-way
					others.Add(1)
					<-time.After(10 * time.Millisecond)
					continue
				}
				passed.Add(1)
			}
		})
	}
	more := func() {
		deadline := time.Now().Add(wait)
		for before := passed.Load(); passed.Load() < before+500; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the checks do not go on")
			}
		}
	}
	more()
	do(more)
	cancel()
	group.Wait()
	return passed.Load(), others.Load()
}

// scale is what docs/scale.md sets up.
type scale struct {
	doc, database, front string
	owner                []byte // what bootstrap printed
	replicas             [3]*replica
}

// replica is one machine of the document.
type replica struct {
	address, data, command string
	env                    []string
	cmd                    *exec.Cmd
	log                    *logtest.Buffer
	stop                   func()
}

func newScale(t *testing.T) *scale {
	t.Helper()
	server := pgtest.Own(t)
	server.Database(t) // it starts with its first one
	doc, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	s := &scale{doc: string(doc), database: server.Address(), front: freeAddress(t)}
	role := strings.NewReplacer("ROLE keyfob", "ROLE documented", "OWNER keyfob", "OWNER documented")
	for statement := range strings.SplitSeq(strings.TrimSuffix(role.Replace(s.blocks(t, "sql")[0]), ";\n"), ";\n") {
		server.Exec(t, server.Socket("postgres"), statement)
	}
	server.Exec(t, server.Socket("postgres"), "ALTER ROLE documented PASSWORD '"+pgtest.Password+"'")
	dir := t.TempDir()
	program := keyfobd(t, dir)
	for i := range s.replicas {
		s.replicas[i] = &replica{
			address: freeAddress(t), data: filepath.Join(t.TempDir(), "keyfob"),
			env: []string{"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "HOME=" + dir},
		}
	}
	commands := s.blocks(t, "sh")
	if len(commands) != 4 {
		t.Fatalf("docs/scale.md has %d blocks of commands", len(commands))
	}
	for i, r := range s.replicas {
		r.sh(t, dir, s.local(commands[0], i))
		if err := os.WriteFile(filepath.Join(r.data, "pgpass"), []byte(s.text(t, "pgpass", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range commands[1:3] {
		s.replicas[0].sh(t, dir, s.local(c, 0))
	}
	for i, r := range s.replicas {
		r.command = s.local(commands[3], i)
	}
	if s.owner, err = os.ReadFile(filepath.Join(dir, "owner.json")); err != nil {
		t.Fatal(err)
	}
	return s
}

// sh runs commands of the document to their end.
func (r *replica) sh(t *testing.T, dir, commands string) {
	t.Helper()
	sh := exec.CommandContext(t.Context(), "sh", "-euc", commands)
	sh.Dir, sh.Env = dir, r.env
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, out)
	}
}

// blocks are those of the document in a language.
func (s *scale) blocks(t *testing.T, language string) (texts []string) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(s.doc, -1) {
		texts = append(texts, block[1])
	}
	if len(texts) == 0 {
		t.Fatalf("docs/scale.md has nothing in %s", language)
	}
	return texts
}

func (s *scale) text(t *testing.T, language string, i int) string {
	t.Helper()
	return s.local(s.blocks(t, language)[0], i)
}

// local puts what is on this machine into a text for the ith of the document's.
func (s *scale) local(text string, i int) string {
	listen := []string{"--listen 10.0.0.11:7420", "--listen " + s.replicas[i].address}
	return strings.NewReplacer(append(listen,
		"db.internal:5432", s.database, ":keyfob:PASSWORD", ":documented:"+pgtest.Password, "keyfob@", "documented@",
		"sslmode=verify-full", "sslmode=disable",
		"scp -p", "cp -p", "10.0.0.12:/var/lib/keyfob", s.replicas[1].data, "10.0.0.13:/var/lib/keyfob", s.replicas[2].data,
		"10.0.0.11:7420", s.replicas[0].address, "10.0.0.12:7420", s.replicas[1].address, "10.0.0.13:7420", s.replicas[2].address,
		"/var/lib/keyfob", s.replicas[i].data,
		"https://keys.example.com", "http://"+s.front, "listen 443 ssl;", "listen "+s.front+";",
		"ssl_certificate     /etc/nginx/keys.example.com.pem;", "", "ssl_certificate_key /etc/nginx/keys.example.com.key;", "",
	)...).Replace(text)
}

// ready waits until the replicas are.
func (s *scale) ready(t *testing.T, which ...int) {
	t.Helper()
	for _, i := range which {
		for deadline := time.Now().Add(wait); ; <-time.After(10 * time.Millisecond) {
			status := 0
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.replicas[i].address+"/readyz", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				_ = res.Body.Close()
				if status = res.StatusCode; status == http.StatusOK {
					break
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("replica %d is not ready: %d (%v)", i, status, err)
			}
		}
	}
}

func (r *replica) start(t *testing.T) {
	t.Helper()
	r.stop = run(t, func(t *testing.T, cmd *exec.Cmd, _ string) {
		t.Helper()
		cmd.Env = r.env
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		bound(t, cmd, "")
		r.cmd = cmd
		r.log, _ = cmd.Stderr.(*logtest.Buffer)
	}, r.data, "sh", "-euc", r.command)
}

// wants asks a replica for a key, once it has a lease.
func (r *replica) wants(t *testing.T, status int, key string) {
	t.Helper()
	for deadline := time.Now().Add(wait); ; <-time.After(10 * time.Millisecond) {
		got, _ := call(t, http.MethodGet, "http://"+r.address+"/v1/authz", "", "X-API-Key", key)
		if got == http.StatusServiceUnavailable && time.Now().Before(deadline) {
			continue
		}
		if got != status {
			t.Errorf("%s: %d, want %d", r.address, got, status)
		}
		return
	}
}

func (r *replica) client(t *testing.T, session []byte) *client.Client {
	t.Helper()
	return owner(t, session, "http://"+r.address)
}
