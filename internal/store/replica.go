package store

import (
	"errors"
	"fmt"
	"time"
)

// What a database answers that several share.
var (
	// ErrServed: a migration that no older program may run beside is to wait until all are stopped.
	ErrServed = errors.New("replicas of an older version still serve")
	// ErrCrowded: others have all its connections.
	ErrCrowded = fmt.Errorf("it has no free connection: %w", ErrBusy)
)

// Replica is one of several services on a database, and its lease. Its times are the database's, for people alone.
type Replica struct {
	ID       string
	Name     string // the machine and the address, for people
	Version  string
	Applied  int64 // the number of the last change that it has applied
	Renewals int64 // how often it renewed its lease
	JoinedAt time.Time
	SeenAt   time.Time // when it last renewed its lease
	// FlushedAt is when it last wrote the use of keys, as it told with a renewal; zero: it told nothing yet.
	FlushedAt time.Time
}

// State is what a database says of itself.
type State struct {
	Schema int       // the number of the last migration; each kind of database counts its own
	Since  int       // the oldest schema whose programs may run on it
	Now    time.Time // by the database's clock
}

// ReplicaTx is what replicas ask of a database beside its log of changes: leases.
type ReplicaTx interface {
	// State reads a row or two.
	State() (State, error)
	// CountKeys counts the keys that are not deleted and the secrets that are not retired. It goes through an index: one or two tenths
	// of a second for a million keys.
	CountKeys() (keys, secrets int64, err error)
	// AddReplica adds a replica that has applied and renewed nothing. ErrNewerSchema: the schema is not for this program any more.
	AddReplica(r Replica) error
	// RenewReplica counts a renewal and sets what was applied; ErrNotFound: the replica was removed.
	RenewReplica(id string, applied int64) error
	// FlushedReplica tells how long ago a replica last wrote the use of keys; ErrNotFound: the replica was removed.
	FlushedReplica(id string, ago time.Duration) error
	// Replicas returns all, by id.
	Replicas() ([]Replica, error)
	// RemoveReplica removes a replica that has renewed its lease so often and no more, else ErrNotFound.
	RemoveReplica(id string, renewals int64) error
	// PruneChanges removes the first changes, at most limit, from the log: those that are not above upto, and older than kept by the
	// database's clock, without a gap. It returns how many it removed.
	PruneChanges(upto int64, kept time.Duration, limit int) (int, error)
}
