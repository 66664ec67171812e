package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/internal/store/postgres"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

const (
	statusTimeout = 30 * time.Second
	// catchUp is how long a replica with a lease may take to apply what was changed when the command began: it renews its lease
	// several times meanwhile.
	catchUp = time.Second
)

// StatusOptions is all that statusRun needs.
type StatusOptions struct {
	DataDir  string
	Database string // the URL of a PostgreSQL database; empty: the file in DataDir

	Output *cliutil.Output
}

// What a replica does.
const (
	replicaServing = "serving"
	replicaLagging = "lagging"
	replicaNoLease = "no-lease"
)

type statusDoc struct {
	Database   string       `json:"database"`
	Schema     int          `json:"schema"`
	Since      int          `json:"schema_since"` // the oldest schema whose programs may run on it
	Keys       int64        `json:"keys"`         // not deleted
	Secrets    int64        `json:"secrets"`      // not retired
	LastChange int64        `json:"last_change"`  // its number
	Replicas   []replicaDoc `json:"replicas"`
}

type replicaDoc struct {
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	State    string    `json:"state"`
	Applied  int64     `json:"applied"` // the number of the last change that it goes by
	Behind   int64     `json:"behind"`  // changes
	Renewed  float64   `json:"renewed_seconds_ago"`
	Flushed  *float64  `json:"flushed_seconds_ago"` // when it last wrote the use of keys; null: it told nothing yet
	JoinedAt time.Time `json:"joined_at"`
}

// viewer is a database that is only looked at.
type viewer interface {
	View(ctx context.Context, fn func(store.Tx) error) error
	Close() error
}

// statusRun shows the database and the replicas on it, and fails if one of them does not serve.
func statusRun(ctx context.Context, opts *StatusOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	db, name, err := openToLook(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	doc, err := settled(ctx, db)
	if err == nil {
		err = db.View(ctx, func(tx store.Tx) (err error) {
			doc.Keys, doc.Secrets, err = tx.CountKeys()
			return err
		})
	}
	if err != nil {
		return unusableStore(err)
	}
	doc.Database = name
	if err := doc.print(opts.Output, opts.Database != ""); err != nil {
		return err
	}
	bad := 0
	for _, r := range doc.Replicas {
		if r.State != replicaServing {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	return &cliutil.Error{
		Code: "replica-stale", Exit: cliutil.ExitFailed,
		Message: fmt.Sprintf("%d of %d replicas don't serve: they have no lease, or lag behind the changes", bad, len(doc.Replicas)),
		Hint:    "look at their logs, and whether they reach the database; one that has ended for good is forgotten with the next change of a key",
	}
}

func openToLook(ctx context.Context, opts *StatusOptions) (viewer, string, error) {
	if opts.Database == "" {
		dir, err := existingDataDir(opts.DataDir)
		if err != nil {
			return nil, "", err
		}
		db, err := sqlite.OpenSnapshot(ctx, dir.database())
		if err != nil {
			return nil, "", unusableStore(err)
		}
		return db, dir.database(), nil
	}
	config, err := parseDatabase(opts.Database)
	if err != nil {
		return nil, "", err
	}
	db, err := postgres.OpenAsIs(ctx, config)
	if err != nil {
		return nil, "", unusableStore(err)
	}
	return db, config.Name(), nil
}

// settled is the status once every replica with a lease has applied what was changed before the first look, or has had catchUp for it.
func settled(ctx context.Context, db viewer) (*statusDoc, error) {
	const pause = 50 * time.Millisecond
	until := int64(-1)
	for began := time.Now(); ; {
		doc, err := statusOf(ctx, db)
		if err != nil {
			return nil, err
		}
		if until < 0 {
			until = doc.LastChange
		}
		lags := false
		for i := range doc.Replicas {
			if r := &doc.Replicas[i]; r.State == replicaServing && r.Applied < until {
				r.State, lags = replicaLagging, true
			}
		}
		if !lags || time.Since(began) >= catchUp {
			return doc, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

func statusOf(ctx context.Context, db viewer) (doc *statusDoc, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		s, err := tx.State()
		if err != nil {
			return err
		}
		doc = &statusDoc{Schema: s.Schema, Since: s.Since, Replicas: []replicaDoc{}}
		if doc.LastChange, err = tx.LastChange(); err != nil {
			return err
		}
		replicas, err := tx.Replicas()
		ago := func(at time.Time) float64 { return float64(max(s.Now.Sub(at), 0).Milliseconds()) / 1000 } // Seconds() adds up to 1.5430000000000001
		for _, r := range replicas {
			one := replicaDoc{
				Name: r.Name, Version: r.Version, State: replicaServing, Applied: r.Applied, Behind: max(doc.LastChange-r.Applied, 0),
				Renewed: ago(r.SeenAt), JoinedAt: r.JoinedAt,
			}
			if !r.FlushedAt.IsZero() {
				one.Flushed = new(ago(r.FlushedAt))
			}
			if !core.HasLease(r, s.Now) {
				one.State = replicaNoLease
			}
			doc.Replicas = append(doc.Replicas, one)
		}
		return err
	})
	return doc, err
}

func (d *statusDoc) print(out *cliutil.Output, shared bool) error {
	if out.Structured() {
		return out.Object(d)
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	err := out.Table(nil, [][]string{
		{"Database", d.Database},
		{"Schema", fmt.Sprintf("%d, for programs that know %d", d.Schema, d.Since)},
		{"Keys", number(d.Keys)},
		{"Secrets", number(d.Secrets)},
		{"Last change", number(d.LastChange)},
	})
	if err != nil || !shared {
		return err
	}
	if len(d.Replicas) == 0 {
		out.Note("no replica serves it")
		return nil
	}
	rows := make([][]string, len(d.Replicas))
	for i, r := range d.Replicas {
		rows[i] = []string{r.Name, r.Version, r.State, number(r.Applied), number(r.Behind), secondsAgo(&r.Renewed), secondsAgo(r.Flushed)}
	}
	return out.Table([]string{"REPLICA", "VERSION", "STATE", "APPLIED", "BEHIND", "RENEWED", "USE WRITTEN"}, rows)
}

func secondsAgo(n *float64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatFloat(*n, 'f', 1, 64) + " s ago"
}
