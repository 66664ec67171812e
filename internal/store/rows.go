package store

import "time"

// Times are kept with microseconds in UTC; the zero time is "none".

// Kinds of material.
const (
	MaterialMasterKey = "master-key"
	MaterialPepper    = "pepper"
)

// Material names a secret that the database depends on and does not hold.
type Material struct {
	Kind    string
	ID      string
	AddedAt time.Time
}

// Org is an organisation.
type Org struct {
	ID          string
	Slug        string // unique
	Name        string
	Recoverable bool   // new secrets are also kept sealed
	DataKey     []byte // wrapped by the master key MasterKeyID
	MasterKeyID string
	CreatedAt   time.Time
}

// User is a person or a machine account.
type User struct {
	ID       string
	Name     string
	Email    string // folded; unique where it is not empty
	Password string // an argon2id hash in PHC string form; empty: none
	// Issuer and Subject are who the user is at an OpenID provider, unique together; empty: nobody.
	Issuer    string
	Subject   string
	CreatedAt time.Time
}

// Membership is what a user is in an org.
type Membership struct {
	OrgID     string
	UserID    string
	Role      string
	CreatedAt time.Time
}

// OrgMembership is a membership with its org.
type OrgMembership struct {
	Org  Org
	Role string
}

// Member is a membership with its user.
type Member struct {
	Membership

	User User
}

// Session is a signed-in user, or what a program may do in a user's name.
type Session struct {
	ID          string
	UserID      string
	Kind        string
	Name        string   // what it is for: the client's name, or the token's
	Host        string   // the machine that asked for it
	OrgID       string   // the only org that it opens; empty: all of the user's
	Permissions []string // the only ones that it has, if OrgID is set
	Hint        string
	CreatedAt   time.Time
	LastUsedAt  time.Time
	ExpiresAt   time.Time // zero: when idle
	EndedAt     time.Time
	RefusedAt   time.Time // when a refusal was last recorded
	FirstUseBy  time.Time // one that was not used by then is over; zero: no such limit
}

// NewSession is a session as it is added.
type NewSession struct {
	Session
	Digest   [32]byte // unique
	PepperID string
}

// Invitation lets whoever holds its token make an account, join an org, or set a password.
type Invitation struct {
	ID        string
	Kind      string
	OrgID     string // empty: no org
	Email     string // folded; empty: whoever opens it says
	Role      string
	InvitedBy Actor
	CreatedAt time.Time
	ExpiresAt time.Time
	ClosedAt  time.Time // used, or taken back
}

// NewInvitation is an invitation as it is added.
type NewInvitation struct {
	Invitation

	Digest   [32]byte // of its token; unique
	PepperID string
}

// States of a device grant.
const (
	GrantPending  = "pending"
	GrantApproved = "approved"
	GrantDenied   = "denied"
	GrantUsed     = "used"
)

// DeviceGrant is a program that waits for a person to sign it in (RFC 8628).
type DeviceGrant struct {
	ID        string
	UserCode  string // without its dash; unique among the grants that are kept
	State     string
	Client    string
	Host      string
	Address   string // the IP address that asked
	UserID    string // who decided; empty: nobody yet
	CreatedAt time.Time
	ExpiresAt time.Time
	PolledAt  time.Time
	Sealed    []byte // the token of the session that it became; nil: none
}

// NewDeviceGrant is a device grant as it is added.
type NewDeviceGrant struct {
	DeviceGrant

	Digest   [32]byte // of the device code; unique
	PepperID string
}

// Tries counts what failed, such as wrong passwords of one account, in a window that began at Since.
type Tries struct {
	Kind    string
	Subject string
	Count   int
	Since   time.Time
}

// Actor is who did something.
type Actor struct {
	Type string
	ID   string
	Name string
}

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

// KeyUse is what is known of the use of a key.
type KeyUse struct {
	KeyID   string
	Secrets []SecretUse
	Minutes []MinuteUse
	Callers []CallerUse
}

// SecretUse is the last use of one version of a secret.
type SecretUse struct {
	Version       int
	At            time.Time
	AddressPrefix string
	Agent         string
}

// MinuteUse is how often a key was used in a minute, counted from 1970.
type MinuteUse struct {
	Minute int64
	Calls  int64
}

// HourUse is how often a key was used in an hour, counted from 1970.
type HourUse struct {
	Hour  int64
	Calls int64
}

// CallersMax is how many callers of a key are kept.
const CallersMax = 20

// CallerUse is the last use of a key by one caller.
type CallerUse struct {
	AddressPrefix string
	Agent         string
	At            time.Time
}

// LastUse is when any secret of a key was last used; a zero At: never.
type LastUse struct {
	KeyID string
	At    time.Time
}

// UseRow is a row of the journal of use. What its entries are is the domain's.
type UseRow struct {
	Seq     int64
	Entries []byte
}

// UseFold says of the keys above the UpTo before, of the same owner, up to this one: rows of the journal up to Seq are folded.
type UseFold struct {
	Owner string
	UpTo  string
	Seq   int64
}

// UseWindow says how far back use is summed up.
type UseWindow struct {
	Hour, Day int64     // the first minutes of them
	Since     time.Time // the first moment that callers count from
}

// UseSum is the use of a key in a window.
type UseSum struct {
	Hour, Day int64       // calls
	Callers   []CallerUse // latest first
}

// Age says what is old enough to be thrown away.
type Age struct {
	Minute  int64     // calls in minutes before it
	Hour    int64     // calls in the hours of days (UTC) that end before its day
	Callers time.Time // callers that were last seen before it
	Answers time.Time // answers, and tokens and sessions of jobs, that expired at or before it
	Grants  time.Time // device grants that expired at or before it
	Tries   time.Time // tries whose window began before it
	Ended   time.Time // sessions that ended or expired, and invitations that were closed or expired, before it
	Idle    time.Time // sessions that neither ended nor expire and that were last used, or else made, before it
}

// Answer is what a repeated create is answered with.
type Answer struct {
	ID          [32]byte
	Fingerprint [32]byte // of the request
	KeyID       string
	Sealed      []byte // the secret; nil once the key is deleted
	ExpiresAt   time.Time
}

// EventFilter asks for a page of events, newest first, or oldest first with Ascending. Of Key, ActorID, ActorName, Type and
// Subject an empty one is any.
type EventFilter struct {
	After     string // the last id of the page before; empty: from the start
	Limit     int
	Ascending bool

	KeyID     string
	ActorID   string
	ActorName string
	Type      string
	Subject   string    // what stands before the dot of the type
	Since     time.Time // zero: any
}

// Event is one thing that happened.
type Event struct {
	ID    string
	At    time.Time
	Type  string
	OrgID string // empty: no org is concerned
	KeyID string // empty: no key is concerned
	Actor Actor
	Data  map[string]string
}

// Sooner returns the earlier of two ends; zero: never.
func Sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
