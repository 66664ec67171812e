package store

import "time"

// What a revocation takes away.
const (
	RevokedKey         = "key"               // what Disabled and ExpiresAt say of the key KeyID is all that is left of it
	RevokedKeyOpened   = "key-opened"        // the key was enabled, or its expiry moved on: counts only if it was confirmed
	RevokedKeyDeleted  = "key-deleted"       // KeyID
	RevokedSecret      = "secret"            // KeyID's secret Version is gone
	RevokedSecretEnds  = "secret-ends"       // KeyID's secret Version ends at ExpiresAt
	RevokedSession     = "session"           // SessionID; tokens are sessions, too
	RevokedJobSession  = "job-session"       // SessionID
	RevokedTrust       = "trust"             // RuleID, and the sessions of its jobs
	RevokedMember      = "member"            // UserID is not in OrgID any more
	RevokedRole        = "role"              // UserID is Role in OrgID
	RevokedPassword    = "password"          // UserID has another password
	RevokedInvitation  = "invitation"        // InvitationID
	RevocationConfirm  = "confirmed"         // what Of numbers was committed
	RevocationRestored = "restored"          // the database is that of a backup again, which was made when the number was Of
	RevocationLogBegan = "revocations-began" // first line of a log
)

// Revocation is one thing that opens less than before, or, of a key, more. It holds no secret and no digest.
type Revocation struct {
	What         string    `json:"what"`
	OrgID        string    `json:"org,omitempty"` // of the event that tells of it; empty: not known
	KeyID        string    `json:"key,omitempty"`
	Version      int       `json:"version,omitempty"`
	Disabled     bool      `json:"disabled,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"` // zero: never
	SessionID    string    `json:"session,omitempty"`
	UserID       string    `json:"user,omitempty"`
	Role         string    `json:"role,omitempty"`
	RuleID       string    `json:"rule,omitempty"`
	InvitationID string    `json:"invitation,omitempty"`
	Of           int64     `json:"of,omitempty"`
}

// LoggedRevocation is a revocation as a log has it.
type LoggedRevocation struct {
	Revocation

	N  int64 // counts up by one
	At time.Time
}
