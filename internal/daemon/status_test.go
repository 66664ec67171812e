package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	failure(t, err, "database-empty", cliutil.ExitFailed) // nothing is there, and nothing was made

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
	for until := time.Now().Add(wait); err == nil && unflushed(doc.Replicas) && time.Now().Before(until); { // they tell of it a little later
		doc, err = status(t, dir, database)
	}
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
	if want := regexp.MustCompile(`(?s)Schema\t1, for programs that know 1\n.*127\.0\.0\.1:\d+\tv1\tserving\t1\t0\t\d\.\d s ago\t\d+\.\d s ago\n`); !want.MatchString(table.String()) {
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

// TestScaleMetrics holds the names in the documented scrape of a replica to those of a real one, and its values to what happened.
func TestScaleMetrics(t *testing.T) {
	t.Parallel()
	dir, database := privateDir(t), pgtest.Own(t).Database(t)
	r := start(t, dir, func(o *ServeOptions) { o.Database = database })
	r.log.await(t, "this replica has a lease")
	var out bytes.Buffer
	noError(t, bootstrapRun(t.Context(), &BootstrapOptions{
		DataDir: dir, Database: database, OrgSlug: "acme", OrgName: "Acme", UserName: "ada", Out: &out, ErrOut: io.Discard, Now: time.Now,
	}))
	var made bootstrapped
	noError(t, json.Unmarshal(out.Bytes(), &made))
	for _, step := range [][2]string{{"", `{"name":"k"}`}, {"/k/disable", ""}} {
		if status, text := call(t, "POST", r.url+"/v1/orgs/acme/keys"+step[0], made.Session, step[1]); status >= 300 {
			t.Fatalf("%d %s", status, text)
		}
	}
	_, scrape := call(t, "GET", r.url+"/metrics", "", "")
	r.end()
	doc, err := os.ReadFile("../../docs/scale.md")
	noError(t, err)
	names := func(text string) []string {
		set := map[string]bool{}
		for _, name := range regexp.MustCompile(`(?m)^keyfob_(?:replica|change)\w*`).FindAllString(text, -1) {
			set[name] = true
		}
		return slices.Sorted(maps.Keys(set))
	}
	if got, want := names(string(doc)), names(scrape); !slices.Equal(got, want) {
		t.Errorf("docs/scale.md has %q, a scrape %q", got, want)
	}
	for _, want := range []string{
		`keyfob_replicas_live 1`, `keyfob_changes_total 3`, `keyfob_changes_waiting 0`, `keyfob_replica_changes_behind 0`,
		`keyfob_replica_changes_applied_total 2`, `keyfob_change_wait_seconds_bucket\{le="5"\} 2`, `keyfob_change_wait_seconds_count 2`,
		`keyfob_replica_renewals_failed_total \d+`, `keyfob_replica_lease_seconds 0\.\d+`, `keyfob_replica_renewal_age_seconds 0\.\d+`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(scrape) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(scrape)
	}
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

func unflushed(all []replicaDoc) bool {
	return slices.ContainsFunc(all, func(r replicaDoc) bool { return r.Flushed == nil })
}
