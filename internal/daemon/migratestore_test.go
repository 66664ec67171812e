package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func output(out, errOut io.Writer, f cliutil.Format) *cliutil.Output {
	return &cliutil.Output{Format: f, IO: &cliutil.IOStreams{Out: out, ErrOut: errOut}}
}

// within opens the domain as commands do, and signs in with the session.
func within(t *testing.T, dir, database, session string, work func(*core.Service, core.Principal)) {
	t.Helper()
	cfg := core.Config{Passwords: true, Tokens: openid.NewJobs(nil, true), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	d, err := openDomain(t.Context(), dataDir(dir), database, cfg)
	noError(t, err)
	p, err := d.core.Authenticate(t.Context(), session)
	noError(t, err)
	work(d.core, p)
	noError(t, d.close(t.Context()))
}

// life fills a service with what people and programs leave in it, and returns the secrets that open.
func life(ctx context.Context, t *testing.T, c *core.Service, p core.Principal) (open, shut []secret.Secret) {
	t.Helper()
	from := core.Origin{AddressPrefix: "192.0.2.0/24", Agent: "test"}
	create := func(name string) secret.Secret {
		_, sec, _, err := c.CreateKey(ctx, p, "acme", core.NewKey{
			Name: name, Tags: map[string]string{"team": "ø", "env": name}, ExpiresAt: time.Now().Add(time.Hour), Idempotency: "once " + name,
		})
		noError(t, err)
		return sec
	}
	plain, disabled, deleted, rotated, waiting := create("plain"), create("disabled"), create("deleted"), create("rotated"), create("waiting")
	for range 3 {
		_, err := c.CheckKey(ctx, plain.Reveal(), from)
		noError(t, err)
	}
	_, err := c.SetKeyEnabled(ctx, p, "acme", "disabled", false, "leaked")
	noError(t, err)
	noError(t, c.DeleteKey(ctx, p, "acme", "deleted", core.DeleteKey{AcknowledgeRecentUse: true}))
	r, err := c.OpenRotation(ctx, p, "acme", "rotated", core.NewRotation{Emergency: true}, from)
	noError(t, err)
	w, err := c.OpenRotation(ctx, p, "acme", "waiting", core.NewRotation{Sinks: []string{"file:.env"}, Run: "run 1"}, from)
	noError(t, err)
	_, _, err = c.AddMember(ctx, p, "acme", "grace@example.com", api.RoleMember)
	noError(t, err)
	_, err = c.CreateTrustRule(ctx, p, "acme", core.NewTrustRule{
		Provider: api.TrustGitHub, Conditions: map[string]string{"repository": "acme/app"},
		Permissions: []api.Permission{api.KeysRotate}, KeyNames: []string{"ci-*"},
	})
	noError(t, err)
	_, err = c.StartDevice(ctx, core.Client{Name: "keyfob", Host: "laptop"}, "192.0.2.7")
	noError(t, err)
	return []secret.Secret{plain, r.Secret, waiting, w.Secret}, []secret.Secret{disabled, deleted, rotated}
}

type seen struct {
	Keys   core.KeyPage
	Events core.EventPage
	Rules  []core.TrustRule
}

func look(t *testing.T, c *core.Service, p core.Principal) (s seen) {
	t.Helper()
	var err error
	s.Keys, err = c.Keys(t.Context(), p, "acme", core.ListKeys{Limit: 100})
	noError(t, err)
	s.Events, err = c.Events(t.Context(), p, "acme", core.ListEvents{Limit: 100})
	noError(t, err)
	s.Rules, err = c.TrustRules(t.Context(), p, "acme")
	noError(t, err)
	return s
}

func TestMigrateStore(t *testing.T) {
	t.Parallel()
	dir, database := privateDir(t), pgtest.Own(t).Database(t)
	session := bootstrap(t, dir).Session
	var open, shut []secret.Secret
	within(t, dir, "", session, func(c *core.Service, p core.Principal) { open, shut = life(t.Context(), t, c, p) })
	var before seen
	within(t, dir, "", session, func(c *core.Service, p core.Principal) { before = look(t, c, p) })
	file, err := os.ReadFile(filepath.Join(dir, databaseFile))
	noError(t, err)

	var out, notes bytes.Buffer
	opts := &MigrateStoreOptions{DataDir: dir, Database: database, Output: output(&out, &notes, cliutil.FormatJSON)}
	running := start(t, dir, nil)
	failure(t, migrateStoreRun(t.Context(), opts), "data-dir-in-use", cliutil.ExitConflict)
	running.end()
	noError(t, migrateStoreRun(t.Context(), opts))
	var said struct {
		Rows   int64
		Tables []struct {
			Name string
			Rows int64
		}
	}
	noError(t, json.Unmarshal(out.Bytes(), &said))
	rows := map[string]int64{}
	for _, table := range said.Tables {
		rows[table.Name] = table.Rows
	}
	for table, want := range map[string]int64{"keys": 5, "rotations": 2, "retired_secrets": 1, "trust_rules": 1, "device_grants": 1, "answers": 5} {
		if rows[table] != want {
			t.Errorf("%d rows of %s were copied, want %d", rows[table], table, want)
		}
	}
	if rows["events"] < 12 || rows["key_minutes"] == 0 || rows["key_callers"] == 0 || rows["invitations"] == 0 || rows["sessions"] == 0 {
		t.Errorf("rows %v", rows)
	}
	if after, err := os.ReadFile(filepath.Join(dir, databaseFile)); err != nil || !bytes.Equal(file, after) {
		t.Errorf("the source was changed: %v", err)
	}
	failure(t, migrateStoreRun(t.Context(), opts), "database-not-empty", cliutil.ExitConflict)

	within(t, dir, database, session, func(c *core.Service, p core.Principal) {
		if diff := cmp.Diff(before, look(t, c, p)); diff != "" {
			t.Error(diff)
		}
		for i, sec := range open {
			if _, err := c.CheckKey(t.Context(), sec.Reveal(), core.Origin{}); err != nil {
				t.Errorf("secret %d does not open any more: %v", i, err)
			}
		}
		for i, sec := range shut {
			if _, err := c.CheckKey(t.Context(), sec.Reveal(), core.Origin{}); err == nil {
				t.Errorf("secret %d opens", i)
			}
		}
		_, revealed, err := c.RevealKey(t.Context(), p, "acme", "plain")
		noError(t, err)
		if revealed.Reveal() != open[0].Reveal() {
			t.Error("another secret is revealed")
		}
		_, again, replayed, err := c.CreateKey(t.Context(), p, "acme", core.NewKey{
			Name: "plain", Tags: map[string]string{"team": "ø", "env": "plain"}, ExpiresAt: before.expiry("plain"), Idempotency: "once plain",
		})
		if err == nil && (!replayed || again.Reveal() != open[0].Reveal()) {
			t.Error("a create that was repeated made another key")
		}
		noError(t, err)
	})
}

func (s seen) expiry(name string) time.Time {
	for _, k := range s.Keys.Keys {
		if k.Name == name {
			return k.ExpiresAt
		}
	}
	return time.Time{}
}

func TestMigrateStoreRefusals(t *testing.T) {
	t.Parallel()
	dir, none := privateDir(t), privateDir(t)
	bootstrap(t, dir)
	for name, tt := range map[string]struct {
		dir, database, code string
		exit                cliutil.Exit
	}{
		"no database":   {dir, "", "usage", cliutil.ExitUsage},
		"a password":    {dir, "postgres://u:p@127.0.0.1:1/x", "usage", cliutil.ExitUsage},
		"no data":       {none, "postgres://u@127.0.0.1:1/x", "database-missing", cliutil.ExitNotFound},
		"nobody there":  {dir, "postgres://u@127.0.0.1:1/x", "database-unreachable", cliutil.ExitFailed},
		"another thing": {dir, "mysql://u@127.0.0.1:1/x", "usage", cliutil.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := &MigrateStoreOptions{DataDir: tt.dir, Database: tt.database, Output: output(io.Discard, io.Discard, cliutil.FormatTable)}
			failure(t, migrateStoreRun(t.Context(), opts), tt.code, tt.exit)
			if _, err := os.Stat(none); err == nil {
				t.Error("a data directory was made")
			}
		})
	}
}
