package store

import "time"

// Key is an API key. Its folded name is unique among the keys of its org that are not deleted.
type Key struct {
	ID         string
	OrgID      string
	Name       string
	FoldedName string
	Disabled   bool
	Tags       map[string]string
	CreatedAt  time.Time
	CreatedBy  Actor
	UpdatedAt  time.Time
	ExpiresAt  time.Time
	DeletedAt  time.Time
	LastUsedAt time.Time // of any of its secrets; written by RecordUses alone
	Revision   int64     // starts at 1
	Rate       RateLimit // zero: none
	Secrets    []Secret  // by version; read, never written with the key
}

// RateLimit is how many requests a key lets through in how many seconds.
type RateLimit struct{ Requests, Seconds int64 }

// States of a secret.
const (
	StateCurrent  = "current"
	StateNext     = "next"
	StateRetiring = "retiring"
)

// Secret is what may be shown of one version of a key's secret.
type Secret struct {
	KeyID      string
	Version    int
	State      string
	Hint       string
	Sealed     bool // a sealed copy is kept
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time
}

// NewSecret is a secret as it is added.
type NewSecret struct {
	KeyID     string
	Version   int
	State     string
	Hint      string
	Digest    [32]byte // unique, over all orgs
	PepperID  string
	Sealed    []byte // nil: no sealed copy
	CreatedAt time.Time
	ExpiresAt time.Time
}

// KeyChanges are counts that only go up.
type KeyChanges struct {
	// Changed counts changes of what a known secret opens: its key's name, disabling, expiry or deletion, its own state or expiry,
	// and its org's names; digests that took another's place; and which peppers there are.
	Changed int64
	// Added counts the digests of secrets that were added.
	Added int64
}

// Holder is what a presented secret leads to.
type Holder struct {
	Org     Org
	Key     Key
	Version int // of the presented secret
}

// Kinds of change.
const (
	ChangeAdded   = "added"   // a secret, of a new key or of one that was there
	ChangeKey     = "key"     // name, disabling, expiry or deletion of a key
	ChangeSecret  = "secret"  // state, expiry or end of a secret
	ChangeOrg     = "org"     // names of an org: of all its keys
	ChangeRemoved = "removed" // a key's row, which Keyfob never does
	ChangeDigests = "digests" // digests of secrets took others' places: of any key
	ChangePepper  = "pepper"  // a pepper was added or removed
)

// Change is one entry in the log of what changes what a secret opens.
type Change struct {
	N     int64
	Kind  string
	OrgID string
	KeyID string // empty: every key of the org, or any
	At    time.Time
}

// KeyStatus is what a list can be narrowed to.
type KeyStatus uint8

// The statuses. An expired key is one that is not disabled.
const (
	AnyStatus KeyStatus = iota
	Enabled
	Disabled
	Expired
)

// KeySort is what a list is ordered by, with the id as the last resort.
type KeySort uint8

// The orders, each upwards. A key that was never used stands before every other, one that never expires after.
const (
	ByID KeySort = iota
	ByName
	ByLastUse
	ByExpiry
)

// KeyFilter asks for a page of keys.
type KeyFilter struct {
	After      KeyPosition
	Limit      int
	Sort       KeySort
	Descending bool

	Status        KeyStatus
	Now           time.Time // decides what is expired
	Tags          []string  // NAME=VALUE, all of them
	Names         []string  // patterns of folded names, of which one must match; '*' stands for any characters; nil: any
	NeverUsed     bool
	UnusedSince   time.Time // not used at or after it; zero: any
	ExpiresBefore time.Time // zero: any
}

// KeyPosition is a place in an order: the id of the last key of the page before and what it was ordered by. The zero
// position is before the first.
type KeyPosition struct {
	ID         string
	FoldedName string    // ByName
	At         time.Time // ByLastUse and ByExpiry
}

// Position returns where k stands in an order.
func (k Key) Position(sort KeySort) KeyPosition {
	p := KeyPosition{ID: k.ID}
	switch sort {
	case ByID:
	case ByName:
		p.FoldedName = k.FoldedName
	case ByLastUse:
		p.At = k.LastUsedAt
	case ByExpiry:
		p.At = k.ExpiresAt
	}
	return p
}

// Answer is what a repeated create is answered with.
type Answer struct {
	ID          [32]byte
	Fingerprint [32]byte // of the request
	KeyID       string
	Sealed      []byte // the secret; nil once the key is deleted
	ExpiresAt   time.Time
}
