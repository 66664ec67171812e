package store

import "time"

// KeyPlace is a secret's place in the order of all: its key's id and its version.
type KeyPlace struct {
	KeyID   string
	Version int
}

// SealedSecret is a secret that is not retired, with what it is found by and its sealed copy.
type SealedSecret struct {
	KeyPlace

	OrgID    string
	Digest   [32]byte
	PepperID string
	Sealed   []byte
}

// Move is a digest that takes another's place.
type Move struct{ From, To [32]byte }

// What depends on a pepper.
const (
	UseSealed     = "sealed"     // secrets with a sealed copy
	UseSecret     = "secret"     // secrets without one
	UseRetired    = "retired"    // retired secrets
	UseSession    = "session"    // sessions and tokens
	UseInvitation = "invitation" // links, those that are closed too: what succeeds them is found by them
	UseGrant      = "grant"      // device grants
	UseJob        = "job"        // sessions of jobs
)

// PepperUse counts what is found by digests under a pepper.
type PepperUse struct {
	Kind string
	Rows int64
}

// PepperTx is the part of a Tx that a change of the pepper needs.
type PepperTx interface {
	// SealedUnderOthers returns secrets with a sealed copy whose digest is not under the pepper, those above after, the lowest first.
	SealedUnderOthers(pepperID string, after KeyPlace, limit int) ([]SealedSecret, error)
	// MoveSecrets gives secrets, also retired ones, their digest under the pepper, and says how many. One that has no such digest any
	// more is passed over. All else of the secret stays; the change is counted as one of a known secret and as one that was added.
	MoveSecrets(pepperID string, moves []Move) (int, error)
	// MoveSession does the same for a session; ErrNotFound: it has no such digest any more.
	MoveSession(pepperID string, m Move) error
	// PepperUses counts, by kind, what is under the pepper and may still be presented: nothing of a deleted key, and nothing that has
	// ended or expired at now; of retired secrets those that were retired at or after retiredSince. It reads every secret's row.
	PepperUses(pepperID string, now, retiredSince time.Time) ([]PepperUse, error)
}
