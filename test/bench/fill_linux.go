package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/secret"
)

// fill makes the data directory with its keys, straight through the store, the files of those that are asked about, and nginx's
// configuration.
func (b *bench) fill(ctx context.Context) error {
	data := filepath.Join(b.dir, "data")
	digests, err := b.bootstrap(ctx, data)
	if err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, filepath.Join(data, "keyfob.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	err = b.addKeys(ctx, db, 5000, digests, func(i int) (secret.Secret, error) {
		sec := secret.New(secret.Key)
		if b.hot == 0 || i < b.hot {
			b.asked = append(b.asked, sec.Reveal())
		}
		return sec, nil
	})
	if err != nil {
		return err
	}
	for file, keys := range map[string][]string{askedFile: b.asked, askedNginx: b.asked[:min(len(b.asked), nginxMost)]} {
		if err := os.WriteFile(filepath.Join(b.dir, file), []byte(strings.Join(keys, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	return b.nginxConfig()
}

// addKeys puts the keys with these secrets into a store, so many a transaction.
func (b *bench) addKeys(ctx context.Context, db store.Store, batch int, digests *secret.Digester, next func(int) (secret.Secret, error)) error {
	for n := 0; n < b.keys; n += batch {
		err := db.Update(ctx, func(tx store.Tx) error {
			for i := n; i < min(n+batch, b.keys); i++ {
				sec, err := next(i)
				if err != nil {
					return err
				}
				if err := tx.AddKey(row(b.org, i, sec, digests)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bootstrap makes an org, its owner and a session.
func (b *bench) bootstrap(ctx context.Context, data string, flags ...string) (*secret.Digester, error) {
	argv := append([]string{"bootstrap", "-o", "json", "--data-dir", data, "--org", "acme"}, flags...)
	text, err := exec.CommandContext(ctx, b.program, argv...).Output()
	if err != nil {
		return nil, err
	}
	var made struct {
		Org     struct{ ID string } `json:"org"`
		Session string              `json:"session"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return nil, err
	}
	b.org, b.session = made.Org.ID, made.Session
	text, err = os.ReadFile(filepath.Join(data, "pepper.key"))
	if err != nil {
		return nil, err
	}
	pepper, err := hex.DecodeString(strings.TrimSpace(string(text)))
	return secret.NewDigester(pepper), err
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

// nginxConfig lets the keys in that nginx is asked about.
func (b *bench) nginxConfig() error {
	var conf strings.Builder
	conf.WriteString("daemon off;\npid nginx.pid;\nworker_processes 1;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n" +
		"map_hash_max_size 65536;\nmap_hash_bucket_size 256;\nmap $http_authorization $kid {\ndefault \"\";\n")
	for i, key := range b.asked[:min(len(b.asked), nginxMost)] {
		fmt.Fprintf(&conf, "\"Bearer %s\" %d;\n", key, i)
	}
	conf.WriteString("}\nserver {\nlisten " + nginxAddress + ";\nkeepalive_requests 1000000000;\nlocation / {\nif ($kid = \"\") { return 401; }\nreturn 204;\n}\n}\n}\n")
	return os.WriteFile(filepath.Join(b.dir, "nginx.conf"), []byte(conf.String()), 0o600)
}

// idOf is the id of the key in an answer.
func idOf(body []byte) (string, error) {
	var k struct {
		Key struct{ ID string } `json:"key"`
	}
	err := json.Unmarshal(body, &k)
	if err == nil && k.Key.ID == "" {
		err = errors.New("the answer names no key")
	}
	return k.Key.ID, err
}
