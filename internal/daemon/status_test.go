package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

func status(t *testing.T, dir, database string) (statusDoc, error) {
	t.Helper()
	var out bytes.Buffer
	err := statusRun(t.Context(), &StatusOptions{DataDir: dir, Database: database, Output: output(&out, io.Discard, cliutil.FormatJSON)})
	var doc statusDoc
	noError(t, json.Unmarshal(out.Bytes(), &doc))
	return doc, err
}

func TestStatusOfReplicas(t *testing.T) {
	t.Parallel()
	dir, second, database := privateDir(t), privateDir(t), pgtest.Own(t).Database(t)
	noError(t, os.MkdirAll(dir, 0o700))
	err := statusRun(t.Context(), &StatusOptions{Database: database, Output: output(io.Discard, io.Discard, cliutil.FormatTable)})
	failure(t, err, "older-schema", cliutil.ExitFailed) // nothing is there, and nothing was made

	shared := func(o *ServeOptions) { o.Database = database }
	one := start(t, dir, shared)
	noError(t, os.MkdirAll(second, 0o700))
	for _, name := range []string{masterFile, pepperFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		noError(t, err)
		noError(t, os.WriteFile(filepath.Join(second, name), text, 0o600))
	}
	two := start(t, second, shared)
	one.log.await(t, "this replica has a lease")
	two.log.await(t, "this replica has a lease")
	doc, err := status(t, dir, database)
	noError(t, err)
	if len(doc.Replicas) != 2 || doc.Schema < 1 || !strings.HasPrefix(doc.Database, "test_1 at ") {
		t.Fatalf("%+v", doc)
	}
	for _, r := range doc.Replicas {
		if r.State != replicaServing || r.Version != "v1" || r.Name == "" || r.Behind != 0 || r.Renewed >= 1 || r.Flushed == nil || *r.Flushed > 60 {
			t.Errorf("%+v", r)
		}
	}
	var table bytes.Buffer
	noError(t, statusRun(t.Context(), &StatusOptions{DataDir: dir, Database: database, Output: output(&table, io.Discard, cliutil.FormatTable)}))
	if want := regexp.MustCompile(`(?s)Schema\t1, for programs that know 1\n.*127\.0\.0\.1:\d+\tv1\tserving\t0\t0\t\d\.\d s ago\t\d+\.\d s ago\n`); !want.MatchString(table.String()) {
		t.Errorf("%q", table.String())
	}
	if doc.Schema != 1 || doc.Since != 1 || doc.Keys != 0 || doc.Secrets != 0 {
		t.Errorf("%+v", doc)
	}
	two.end()
	if doc, err = status(t, dir, database); err != nil || len(doc.Replicas) != 1 {
		t.Errorf("after one has stopped: %+v, %v", doc, err)
	}

	// One that joined and was killed before it had a lease.
	c, err := postgres.Parse(database)
	noError(t, err)
	db, err := postgres.Open(t.Context(), c)
	noError(t, err)
	noError(t, db.Update(t.Context(), func(tx store.Tx) error {
		return tx.AddReplica(store.Replica{ID: "rep_zz", Name: "gone", Version: "v0"})
	}))
	noError(t, db.Close())
	doc, err = status(t, dir, database)
	failure(t, err, "replica-stale", cliutil.ExitFailed)
	if len(doc.Replicas) != 2 || doc.Replicas[1].Name != "gone" || doc.Replicas[1].State != replicaNoLease {
		t.Errorf("%+v", doc.Replicas)
	}
	one.end()
}

func TestStatusOfAFile(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	err := statusRun(t.Context(), &StatusOptions{DataDir: dir, Output: output(io.Discard, io.Discard, cliutil.FormatTable)})
	failure(t, err, "database-missing", cliutil.ExitNotFound)
	bootstrap(t, dir)
	service := start(t, dir, nil)
	doc, err := status(t, dir, "")
	noError(t, err)
	if doc.Database != filepath.Join(dir, databaseFile) || doc.Schema < 13 || doc.Since != doc.Schema || doc.Keys != 0 || len(doc.Replicas) != 0 {
		t.Errorf("%+v", doc)
	}
	var out bytes.Buffer
	noError(t, statusRun(t.Context(), &StatusOptions{DataDir: dir, Output: output(&out, io.Discard, cliutil.FormatTable)}))
	if !strings.Contains(out.String(), "Keys\t0\n") {
		t.Errorf("%q", out.String())
	}
	service.end()
}

// renewing is a database with a replica that renews its lease before each look, as one that applied so much.
type renewing struct {
	*sqlite.Store

	applied []int64 // at each look; the last stays
}

func (r *renewing) View(ctx context.Context, fn func(store.Tx) error) error {
	err := r.Update(ctx, func(tx store.Tx) error { return tx.RenewReplica("rep_1", r.applied[0]) })
	if err != nil {
		return err
	}
	if len(r.applied) > 1 {
		r.applied = r.applied[1:]
	}
	return r.Store.View(ctx, fn)
}

func TestReplicasThatLag(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), databaseFile))
	noError(t, err)
	noError(t, db.Update(t.Context(), func(tx store.Tx) error {
		key := store.Key{ID: "key_1", OrgID: "org_1", Revision: 1}
		return errors.Join(tx.AddOrg(store.Org{ID: "org_1", DataKey: []byte{1}}), tx.AddKey(key, store.NewSecret{KeyID: "key_1", State: "current"}),
			tx.UpdateKey(key), tx.AddReplica(store.Replica{ID: "rep_1"}))
	}))
	for name, tt := range map[string]struct {
		applied []int64
		state   string
		behind  int64
	}{
		"up to date": {[]int64{1}, replicaServing, 0},
		"catches up": {[]int64{0, 0, 1}, replicaServing, 0},
		"lags":       {[]int64{0}, replicaLagging, 1},
	} {
		doc, err := settled(t.Context(), &renewing{db, tt.applied})
		noError(t, err)
		if r := doc.Replicas[0]; doc.LastChange != 1 || r.State != tt.state || r.Behind != tt.behind {
			t.Errorf("%s: %+v", name, doc)
		}
	}
	noError(t, db.Close())
}
