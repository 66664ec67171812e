package core

import (
	"time"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

// User is a person or a machine account.
type User struct {
	ID    string
	Name  string
	Email string // folded; empty: not known
}

// Session is a signed-in user on one machine, or a token for a program.
type Session struct {
	ID          string
	Kind        api.SessionKind
	Name        string // the client that signed in, or what the token is for
	Host        string // the machine, as it called itself
	Hint        string
	UserID      string
	Org         Org              // of a token or a job: the only org that it opens; zero for all other sessions
	Permissions []api.Permission // of a token or a job: the only ones it has
	KeyNames    []string         // of a job: patterns of the names of the only keys that it reaches
	CreatedAt   time.Time
	LastUsedAt  time.Time // zero: never
	ExpiresAt   time.Time // of SessionCLI: unless it is used before
}

// Client is who asked for a session, in its own words: cleaned and cut before they are kept.
type Client struct {
	Name string // of the program
	Host string // of the machine
}

// NewToken asks for a session for a program.
type NewToken struct {
	Name        string
	Permissions []api.Permission
	ExpiresAt   time.Time
}

// Member is a user of an org, or somebody who is invited: then ID and Name are empty and ExpiresAt is set.
type Member struct {
	ID        string
	Name      string
	Email     string
	Role      api.Role
	Status    api.MemberStatus
	CreatedAt time.Time
	ExpiresAt time.Time
}

// SetUpKind is what a set-up link is for.
type SetUpKind string

// The kinds of set-up link.
const (
	SetUpFirst    SetUpKind = "first"    // the first org and its owner
	SetUpMember   SetUpKind = "member"   // joining an org
	SetUpPassword SetUpKind = "password" // a new password for an account
)

// SetUp is what a set-up link is for, before it is used.
type SetUp struct {
	Kind      SetUpKind
	Email     string // empty for SetUpFirst: whoever opens it says
	Org       Org    // of SetUpMember
	Role      api.Role
	InvitedBy string
	// HasAccount says that the address has an account: to join, its password is needed.
	HasAccount bool
	ExpiresAt  time.Time
}

// Account is what the holder of a set-up link fills in; each kind of link needs some of it.
type Account struct {
	OrgSlug  string // SetUpFirst
	OrgName  string // SetUpFirst; empty: the slug
	Email    string // SetUpFirst
	UserName string // SetUpFirst, and SetUpMember without an account
	Password string // a new one, or with HasAccount on SetUpMember the account's
}

// Identity is who an OpenID provider says has signed in; its token was checked.
type Identity struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
	Name          string
}

// Join is a rule: whoever signs in with a verified address of the domain becomes a member of the org.
type Join struct {
	Domain string // lower case
	Org    string // slug
	Role   api.Role
}

// DeviceStart is what a program gets that wants to be signed in.
type DeviceStart struct {
	DeviceCode string // for the program
	UserCode   string // XXXX-XXXX, for the user
	Lifetime   time.Duration
	Interval   time.Duration // between two polls
}

// DeviceGrant is a program that waits to be signed in, as the user who decides sees it.
type DeviceGrant struct {
	UserCode  string // XXXX-XXXX
	Client    Client
	Address   string // the IP address that asked
	CreatedAt time.Time
	ExpiresAt time.Time
}

// SignedIn is a session and its token.
type SignedIn struct {
	Token   secret.Secret
	Session Session
}
