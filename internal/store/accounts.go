package store

import "time"

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
