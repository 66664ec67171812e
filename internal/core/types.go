package core

import (
	"net/netip"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// Org is an organisation. Slug is [a-z0-9][a-z0-9-]*, at most 63 characters, unique and for life.
type Org struct {
	ID   string
	Slug string
	Name string
}

// Membership is an org and the role its user has in it.
type Membership struct {
	Org
	Role api.Role
}

// Principal is who a session token stands for. Of a job User is the trust rule that let it in.
type Principal struct {
	User    User
	Session Session
}

// Actor is the principal as events and keys record it.
func (p Principal) Actor() Actor {
	if p.isJob() {
		return Actor{Type: api.ActorTrust, ID: p.User.ID, Name: p.User.Name}
	}
	return Actor{Type: api.ActorUser, ID: p.User.ID, Name: p.User.Name}
}

// isToken says that a program acts, with no more than the permissions of its session.
func (p Principal) isToken() bool { return p.Session.Kind == api.SessionToken || p.isJob() }

// opens says whether the session reaches an org that its user is in.
func (p Principal) opens(org store.Org) bool { return !p.isToken() || p.Session.Org.ID == org.ID }

// notToken refuses a token what only a person who signed in may do; what says that.
func (p Principal) notToken(what string) error {
	if !p.isToken() {
		return nil
	}
	if p.isJob() {
		return refusef(api.CodeForbidden, "sign in: keyfob auth login", "a job may not %s", what)
	}
	return refusef(api.CodeForbidden, "sign in: keyfob auth login", "the token %s may not %s", shown(p.Session.Name), what)
}

// Actor is who did something.
type Actor struct {
	Type api.ActorType
	ID   string
	Name string
}

// Key is a key as the world may see it: no digest, no sealed copy.
type Key struct {
	ID          string
	OrgID       string
	Name        string
	Status      api.KeyStatus
	CreatedAt   time.Time
	CreatedBy   Actor
	UpdatedAt   time.Time
	ExpiresAt   time.Time // zero: never
	LastUsedAt  time.Time // zero: never
	Tags        map[string]string
	Recoverable bool
	RateLimit   api.RateLimit // zero: none
	Revision    int64         // counts up with every change; what an ETag is made of
	Secrets     []SecretVersion
}

// Hint returns the hint of the current secret.
func (k Key) Hint() string {
	for _, s := range k.Secrets {
		if s.State == api.SecretCurrent {
			return s.Hint
		}
	}
	return ""
}

// SecretVersion describes one version of a key's secret.
type SecretVersion struct {
	Version    int
	Hint       string
	State      api.SecretState
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // zero: never
}

// Origin is where a request came from: what use tracking keeps of it, never more, and the address that failed checks count for.
type Origin struct {
	// AddressPrefix is the caller's network: /24 for IPv4, /48 for IPv6.
	AddressPrefix string
	// Agent is the first product token of User-Agent, printable, at most 64 characters.
	Agent string
	// Address is whose failed checks of keys these are; the zero Addr: nobody's. It is not kept.
	Address netip.Addr
}

// KeyPage is one page of keys. An empty NextToken says that it is the last.
type KeyPage struct {
	Keys      []Key
	NextToken string
}

// ListKeys asks for a page. A list by last use shows a key twice, or not at all, that is used while its pages are read.
type ListKeys struct {
	Limit         int           // 1 to 1000; 0 is 100
	Token         string        // NextToken of the page before
	Status        api.KeyStatus // empty: all
	Tags          []string      // NAME=VALUE; all of them
	NeverUsed     bool
	UnusedSince   time.Time   // not used at or after it, or never; zero: any
	ExpiresBefore time.Time   // zero: any
	Sort          api.KeySort // empty: by creation
}

// NewKey asks for a key.
type NewKey struct {
	Name      string
	Tags      map[string]string
	ExpiresAt time.Time     // zero: never
	RateLimit api.RateLimit // zero: none
	// Idempotency makes the request one that can be made again: 1 to 255 printable ASCII characters of the caller's choice, or
	// empty. The same user gets the same key and secret for it for 24 hours.
	Idempotency string
}

// DeleteKey says under which conditions a key is deleted.
type DeleteKey struct {
	IfRevision           int64 // 0: any
	AcknowledgeRecentUse bool  // also if it was used in the last 24 hours
}

// Usage is who used a key lately. Calls are counted by the minute: the one that has just begun counts as a whole.
type Usage struct {
	LastUsedAt time.Time // zero: never
	Calls1h    int64
	Calls24h   int64
	Callers    []CallerUse // of the last 24 hours, latest first, at most 20
	Hours      []HourUse   // of the last 90 days, those with calls, oldest first
}

// HourUse is the calls in one hour.
type HourUse struct {
	Start time.Time
	Calls int64
}

// CallerUse is the last use by one caller, as far as Origin tells callers apart.
type CallerUse struct {
	AddressPrefix string
	Agent         string
	LastUsedAt    time.Time
}

// KeyPatch changes a key; what is nil stays as it is.
type KeyPatch struct {
	Name      *string
	Tags      *map[string]string
	ExpiresAt *time.Time     // zero time: take the expiry off
	RateLimit *api.RateLimit // zero: take the limit off
}

// Event is one thing that happened; it never holds a secret.
type Event struct {
	ID    string
	At    time.Time
	Type  string // one of eventTypes
	OrgID string
	KeyID string // empty where no key is concerned
	Actor Actor
	Data  map[string]string // small facts, such as the old name
}

// ListEvents asks for a page of events; what is empty is any.
type ListEvents struct {
	Limit int       // 1 to 1000; 0 is 100
	Token string    // NextToken of the page before
	After string    // the id of an event: only later ones, oldest first
	Key   string    // name or id, also the id of a deleted key
	Actor string    // name or id
	Type  string    // such as "key.deleted", or "key" for all that begin with it and a dot
	Since time.Time // at or after it
}

// EventPage is one page of events. An empty NextToken says that it is the last.
type EventPage struct {
	Events    []Event
	NextToken string
}
