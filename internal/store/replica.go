package store

import "time"

// Replica is one of several services on a database, and its lease. Its times are the database's, for people alone.
type Replica struct {
	ID       string
	Name     string // the machine and the address, for people
	Version  string
	Applied  int64 // the number of the last change that it has applied
	Renewals int64 // how often it renewed its lease
	JoinedAt time.Time
	SeenAt   time.Time // when it last renewed its lease
}

// State is what a database says of itself.
type State struct {
	Schema  int       // the number of the last migration; each kind of database counts its own
	Keys    int64     // that are not deleted
	Secrets int64     // that are kept and not retired
	Now     time.Time // by the database's clock
}

// ReplicaTx is what replicas ask of a database beside its log of changes: leases.
type ReplicaTx interface {
	// State counts; it reads an index for that, and no rows.
	State() (State, error)
	// AddReplica adds a replica that has applied and renewed nothing.
	AddReplica(r Replica) error
	// RenewReplica counts a renewal and sets what was applied; ErrNotFound: the replica was removed.
	RenewReplica(id string, applied int64) error
	// Replicas returns all, by id.
	Replicas() ([]Replica, error)
	// RemoveReplica removes a replica that has renewed its lease so often and no more, else ErrNotFound.
	RemoveReplica(id string, renewals int64) error
}
