package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	keyfobAddress = "127.0.0.1:17420"
	bareAddress   = "127.0.0.1:17421"
	nginxAddress  = "127.0.0.1:17422"
)

func (o options) bareServer(dir string) server {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return server{"bare handler", "http://" + bareAddress, []string{self, "-bare", filepath.Join(dir, "asked")}, "asked", []string{""}}
}

func (o options) nginxServer(dir string) server {
	return server{"nginx static map", "http://" + nginxAddress, []string{"nginx", "-p", dir, "-e", "stderr", "-c", "nginx.conf"}, "asked-nginx", []string{""}}
}

func (o options) keyfobServer(dir string) server {
	program, err := filepath.Abs(o.program)
	if err != nil {
		program = o.program
	}
	return server{"keyfobd /v1/authz", "http://" + keyfobAddress + "/v1/authz", []string{
		program, "serve", "--setup-link=false", "--listen", keyfobAddress, "--data-dir", filepath.Join(dir, "data"),
	}, "asked", []string{", first", ", then"}}
}

// serveBare serves the least that a check can be: hash, look up, note the use.
func (o options) serveBare(ctx context.Context, _ io.Writer) error {
	file, err := os.Open(o.bare)
	if err != nil {
		return err
	}
	defer file.Close()
	type known struct{ used atomic.Int64 }
	keys := map[[32]byte]*known{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		keys[sha256.Sum256(lines.Bytes())] = &known{}
	}
	s := &http.Server{Addr: bareAddress, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := keys[sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))]
		if k == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		k.used.Store(time.Now().UnixMicro())
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// fill makes the data directory with its keys, the file of those that are asked about, and nginx's configuration.
func (o options) fill(ctx context.Context, dir string) error {
	data := filepath.Join(dir, "data")
	text, err := exec.CommandContext(ctx, o.program, "bootstrap", "-o", "json", "--data-dir", data, "--org", "acme").Output()
	if err != nil {
		return err
	}
	var made struct {
		Org struct{ ID string } `json:"org"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	text, err = os.ReadFile(filepath.Join(data, "pepper.key"))
	if err != nil {
		return err
	}
	pepper, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	digests := secret.NewDigester(pepper)
	db, err := sqlite.Open(ctx, filepath.Join(data, "keyfob.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	asked, err := os.Create(filepath.Join(dir, "asked"))
	if err != nil {
		return err
	}
	defer asked.Close()
	const batch = 5000
	for n := 0; n < o.keys; n += batch {
		err := db.Update(ctx, func(tx store.Tx) error {
			for i := n; i < min(n+batch, o.keys); i++ {
				sec := secret.New(secret.Key)
				if o.hot == 0 || i < o.hot {
					fmt.Fprintln(asked, sec.Reveal())
				}
				if err := tx.AddKey(row(made.Org.ID, i, sec, digests)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return o.nginxConfig(dir)
}

func row(org string, i int, sec secret.Secret, digests *secret.Digester) (store.Key, store.NewSecret) {
	id, name, now := fmt.Sprintf("key_%026d", i), fmt.Sprintf("key %d", i), time.Now()
	k := store.Key{
		ID: id, OrgID: org, Name: name, FoldedName: name, CreatedAt: now, UpdatedAt: now, Revision: 1,
		CreatedBy: store.Actor{Type: "user", ID: "usr_bench", Name: "bench"},
	}
	return k, store.NewSecret{
		KeyID: id, Version: 1, State: store.StateCurrent, Hint: sec.Hint(), Digest: digests.Digest(sec), PepperID: "bench",
		Sealed: make([]byte, 80), CreatedAt: now,
	}
}

// nginxConfig lets the keys in that are asked about, 10 000 at most: the map is read at start.
func (o options) nginxConfig(dir string) error {
	const most = 10_000
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil {
		return err
	}
	var conf strings.Builder
	conf.WriteString("daemon off;\npid nginx.pid;\nworker_processes 1;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n" +
		"map_hash_max_size 65536;\nmap_hash_bucket_size 256;\nmap $http_authorization $kid {\ndefault \"\";\n")
	keys := strings.Fields(string(asked))
	keys = keys[:min(len(keys), most)]
	if err := os.WriteFile(filepath.Join(dir, "asked-nginx"), []byte(strings.Join(keys, "\n")), 0o600); err != nil {
		return err
	}
	for i, key := range keys {
		fmt.Fprintf(&conf, "\"Bearer %s\" %d;\n", key, i)
	}
	conf.WriteString("}\nserver {\nlisten " + nginxAddress + ";\nkeepalive_requests 1000000000;\nlocation / {\nif ($kid = \"\") { return 401; }\nreturn 204;\n}\n}\n}\n")
	return os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf.String()), 0o600)
}

func reachable(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		<-time.After(5 * time.Millisecond)
	}
}
