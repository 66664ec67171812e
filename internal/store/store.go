// Package store is what the domain asks of a database: rows, the transactions that read and change them, and the errors
// by which a database says no. Times are kept with microseconds in UTC; the zero time is "none".
//
// It must not know the rules of the domain (internal/core), HTTP or a certain database. Every implementation passes the
// conformance suite in storetest.
package store

import (
	"context"
	"errors"
	"time"
)

// What a database answers when it can't do as asked; implementations wrap these.
var (
	ErrNotFound    = errors.New("no such row")
	ErrExists      = errors.New("a row with this unique value exists")
	ErrConflict    = errors.New("the row was changed in between")
	ErrBusy        = errors.New("the database is busy")
	ErrUnavailable = errors.New("the database can't be read or written")
	ErrNewerSchema = errors.New("the database was made by a newer version")
	// ErrOlderSchema: a program that may not change the database finds that it needs a migration.
	ErrOlderSchema = errors.New("the database was made by an older version and is not brought up to date yet")
	// ErrNotEmpty: a database that is to be filled holds something.
	ErrNotEmpty = errors.New("the database is not empty")
	// ErrUnknown: the connection was lost while a transaction was committed. Its changes are kept, all or none.
	ErrUnknown = errors.New("whether the changes were kept is not known")
	// ErrUnreachable: no server answers, or not any more.
	ErrUnreachable = errors.New("the database can't be reached")
	ErrReadOnly    = errors.New("the database takes no writes")
	ErrRefused     = errors.New("the database can't be used")
	// ErrUnfit: the database is not made as a service needs it.
	ErrUnfit = errors.New("the database is not fit for a service")
	// ErrNoSchema: a program that may not change the database finds none of its tables in it.
	ErrNoSchema = errors.New("the database holds no service")
	// ErrChangesGone: the changes since a number are not kept; all that was read before is to be read anew.
	ErrChangesGone = errors.New("older changes are not kept")
)

// Store is a database. It is safe for concurrent use.
type Store interface {
	// View runs fn in one read-only transaction: all that it reads is of one moment, and holds every change whose Update
	// returned before View was called.
	View(ctx context.Context, fn func(Tx) error) error
	// Update runs fn in one write transaction, to the effect as if no two ran at the same time. The changes are kept, and on disk,
	// when Update returns nil, and none is when it returns an error other than ErrUnknown. fn must do nothing outside its Tx that
	// can't be done twice: a database that finds a conflict runs it again.
	Update(ctx context.Context, fn func(Tx) error) error
	// Ping proves that the database can be read and written, by one small committed write.
	Ping(ctx context.Context) error
	Close() error
}

// Tx is a transaction, bound to the context and the call of View or Update that it was handed out by. A method that gets
// or changes one row answers ErrNotFound when there is none, one that adds a row answers ErrExists when a unique value
// is taken.
type Tx interface {
	RotationTx
	TrustTx
	ReplicaTx
	UseTx
	PepperTx

	// Materials returns the ids of the secret material that this database was made under.
	Materials() ([]Material, error)
	AddMaterial(m Material) error
	RemoveMaterial(kind, id string) error

	AddOrg(o Org) error
	Org(id string) (Org, error)
	OrgBySlug(slug string) (Org, error)
	// Orgs returns the orgs whose ids are above after, the lowest first.
	Orgs(after string, limit int) ([]Org, error)
	// UpdateOrgKey writes the data key and the master key that wraps it, if that is still from; else ErrConflict.
	UpdateOrgKey(o Org, from string) error

	AddUser(u User) error
	User(id string) (User, error)
	UserByEmail(folded string) (User, error)
	UserByIdentity(issuer, subject string) (User, error)
	// UpdateUser writes name, e-mail address, password and identity.
	UpdateUser(u User) error
	// AnyUser says whether there is one.
	AnyUser() (bool, error)

	AddMembership(m Membership) error
	Membership(orgID, userID string) (Membership, error)
	// UpdateMembership writes the role.
	UpdateMembership(m Membership) error
	RemoveMembership(orgID, userID string) error
	// Members returns the members of an org with their users, by when they joined.
	Members(orgID string) ([]Member, error)
	// MembershipsOf returns the user's memberships with their orgs, by slug.
	MembershipsOf(userID string) ([]OrgMembership, error)
	// FirstMember returns the user who has had the role in the org for longest.
	FirstMember(orgID, role string) (User, error)

	AddSession(s NewSession) error
	// SessionByDigest returns the session and its user, also when the session has ended.
	SessionByDigest(digest [32]byte) (Session, User, error)
	// TouchSession moves the last use forward to at, if it is unset or not after ifBefore; else it does nothing.
	TouchSession(id string, at, ifBefore time.Time) error
	// RefuseSession sets when a refusal was recorded, and says so, if it is unset or not after ifBefore; else it does nothing.
	RefuseSession(id string, at, ifBefore time.Time) (bool, error)
	// EndSession ends a session that has not ended; ErrNotFound when there is none such.
	EndSession(id string, at time.Time) error
	// Sessions returns the sessions of a user that have not ended, oldest first.
	Sessions(userID string) ([]Session, error)

	// AddInvitation adds an invitation and closes every open one of the same kind, org and e-mail address.
	AddInvitation(i NewInvitation) error
	// InvitationByDigest returns an invitation, also a closed or expired one.
	InvitationByDigest(digest [32]byte) (Invitation, error)
	// Invitations returns the open invitations of an org that have not expired at now, oldest first; with an e-mail address
	// those to it, and with an empty orgID and an e-mail address those of every org.
	Invitations(orgID, email string, now time.Time) ([]Invitation, error)
	// CloseInvitation closes an open invitation.
	CloseInvitation(id string, at time.Time) error

	// AddDeviceGrant adds a grant. ErrExists: its user code or digest is taken.
	AddDeviceGrant(g NewDeviceGrant) error
	DeviceGrantByDigest(digest [32]byte) (DeviceGrant, error)
	// DeviceGrantByUserCode returns a grant in any state, also an expired one.
	DeviceGrantByUserCode(code string) (DeviceGrant, error)
	// UpdateDeviceGrant writes state, user, time of the last poll and sealed token, if the state is still from; else ErrConflict.
	UpdateDeviceGrant(g DeviceGrant, from string) error
	// CountDeviceGrants counts the grants that have not expired at now, those of one address, or of all with an empty one.
	CountDeviceGrants(address string, now time.Time) (int, error)

	// Tries returns what is counted; ErrNotFound: nothing is.
	Tries(kind, subject string) (Tries, error)
	// PutTries writes a count in the place of an earlier one.
	PutTries(t Tries) error
	// ForgetTries removes a count, if there is one.
	ForgetTries(kind, subject string) error

	// AddKey adds a key and its first secret. ErrExists: the org has a key of this folded name that is not deleted.
	AddKey(k Key, s NewSecret) error
	// Key and KeyByName return a key that is not deleted, with its secrets.
	Key(orgID, id string) (Key, error)
	KeyByName(orgID, folded string) (Key, error)
	// KeyByDigest returns the key that the secret with this digest opens, deleted or not.
	KeyByDigest(digest [32]byte) (Holder, error)
	// KeyChanges counts what was done by whatever process.
	KeyChanges() (KeyChanges, error)
	// KeyDigests returns the digests of all secrets that the keys ever had, deleted or not.
	KeyDigests(keyIDs ...string) ([][32]byte, error)
	// Digests returns the digests of secrets above after, the lowest first; retired: of those that are retired.
	Digests(retired bool, after [32]byte, limit int) ([][32]byte, error)
	// LastChange returns the number of the last change that ChangesSince can know of.
	LastChange() (int64, error)
	// ChangesSince returns the first changes after number n, by number. Numbers follow the order in which changes are committed and
	// have no gaps: whoever has seen n has seen all before it. ErrChangesGone: the next one is not kept any more, or none ever is.
	ChangesSince(n int64, limit int) ([]Change, error)
	// Keys returns a page of keys that are not deleted, with their secrets.
	Keys(orgID string, f KeyFilter) ([]Key, error)
	// ActiveKey returns, of the keys that are neither deleted nor disabled nor expired at now and whose current secret has
	// a sealed copy, the one that was used last; failing any use, the one with the greatest id.
	ActiveKey(orgID string, now time.Time) (Key, error)
	// UpdateKey writes name, folded name, disabled, tags, expiry, rate limit and update time and counts the revision up, if the
	// revision is still k.Revision; else ErrConflict. The secrets stay as they are.
	UpdateKey(k Key) error
	// DeleteKey marks a key deleted under the same condition and wipes the sealed copies of its secrets, those in answers too.
	DeleteKey(k Key, at time.Time) error
	// SealedSecret returns the sealed copy; ErrNotFound when there is none.
	SealedSecret(keyID string, version int) ([]byte, error)
	// Prune removes at most limit rows of each kind that are old enough, and returns the greatest number that it removed.
	Prune(a Age, limit int) (int, error)

	// PutAnswer adds an answer, in the place of an earlier one with its id.
	PutAnswer(a Answer) error
	// Answer returns an answer that has not expired at now.
	Answer(id [32]byte, now time.Time) (Answer, error)

	AddEvent(e Event) error
	// Events returns a page of the events of an org.
	Events(orgID string, f EventFilter) ([]Event, error)
}
