package api

import "time"

// User is a person or a machine account. Email is empty where the service knows none.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// SessionKind is what a session is of.
type SessionKind string

// The kinds of session: the command line signed in, a browser did, a token was made for a program, or a job's token was
// exchanged by a trust rule.
const (
	SessionCLI     SessionKind = "cli"
	SessionBrowser SessionKind = "browser"
	SessionToken   SessionKind = "token"
	SessionJob     SessionKind = "job"
)

// Session is what signing in gave, or a token for a program. ExpiresAt is when it ends; one of the kind "cli" ends then
// only if it is not used before.
type Session struct {
	ID         string      `json:"id"`
	Kind       SessionKind `json:"kind"`
	Name       string      `json:"name"` // the client that signed in, or what the token is for
	Host       string      `json:"host"` // the machine that signed in, as it called itself
	Hint       string      `json:"hint"`
	CreatedAt  time.Time   `json:"created_at"`
	LastUsedAt *time.Time  `json:"last_used_at"`
	ExpiresAt  time.Time   `json:"expires_at"`
	// Org is the slug of the only organisation that a token or a job opens; null for all other sessions.
	Org *string `json:"org"`
	// Permissions are the only ones that a token or a job has; null for all other sessions.
	Permissions []Permission `json:"permissions"`
	// Keys are the names of the only keys that a job reaches, in which '*' stands for any characters; absent for all others.
	Keys []string `json:"keys,omitempty"`
}

// SessionInfo answers "who am I, and where".
type SessionInfo struct {
	Session Session      `json:"session"`
	User    User         `json:"user"`
	Orgs    []Membership `json:"orgs"`
}

// SessionList is the user's sessions that have not ended, oldest first, tokens among them.
type SessionList struct {
	Sessions      []Session `json:"sessions"`
	NextPageToken string    `json:"next_page_token"`
}

// SessionsEnded answers the end of all sessions: how many ended, and how many tokens go on.
type SessionsEnded struct {
	Ended  int `json:"ended"`
	Tokens int `json:"tokens"`
}

// CreateTokenRequest asks for a session for a program: with these permissions only, in one organisation, until ExpiresAt
// (at most 366 days from now). Name is unique among the user's tokens that have not ended.
type CreateTokenRequest struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	ExpiresAt   time.Time    `json:"expires_at"`
}

// TokenCreated is the only answer that holds the token of a CreateTokenRequest.
type TokenCreated struct {
	Session Session `json:"session"`
	Token   string  `json:"token"`
}

// MemberStatus says whether a member has joined.
type MemberStatus string

// The statuses of a member.
const (
	MemberActive  MemberStatus = "active"
	MemberInvited MemberStatus = "invited"
)

// Member is a user of an organisation, or somebody who was invited to be one; then ID and Name are empty and ExpiresAt is
// when the invitation ends.
type Member struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Email     string       `json:"email"`
	Role      Role         `json:"role"`
	Status    MemberStatus `json:"status"`
	CreatedAt time.Time    `json:"created_at"`
	ExpiresAt *time.Time   `json:"expires_at"`
}

// MemberEnvelope is the answer that holds one member.
type MemberEnvelope struct {
	Member Member `json:"member"`
}

// MemberInvitation is the answer to adding a member. SetupURL is a page that works once, where they make their account or sign
// in to it; empty where they sign in with an OpenID provider instead.
type MemberInvitation struct {
	Member   Member `json:"member"`
	SetupURL string `json:"setup_url,omitempty"`
}

// MemberList is the members of an organisation and those who are invited.
type MemberList struct {
	Members       []Member `json:"members"`
	NextPageToken string   `json:"next_page_token"`
}

// AddMemberRequest invites somebody.
type AddMemberRequest struct {
	Email string `json:"email"`
	Role  Role   `json:"role"`
}

// UpdateMemberRequest changes a member's role.
type UpdateMemberRequest struct {
	Role Role `json:"role"`
}

// DeviceCode answers a device authorization request (RFC 8628 §3.2). Times are in seconds.
type DeviceCode struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"`
	Interval                int64  `json:"interval"`
}

// DeviceGrantType is the grant_type of a device access token request (RFC 8628 §3.4).
const DeviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"

// AccessToken answers a device access token request (RFC 6749 §5.1). ExpiresIn is in seconds.
type AccessToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
}

// OAuthError is how the two device endpoints answer a failure (RFC 6749 §5.2, RFC 8628 §3.5).
type OAuthError struct {
	Code        OAuthCode `json:"error"`
	Description string    `json:"error_description"`
}

// OAuthCode names a failure of the device endpoints.
type OAuthCode string

// The codes of RFC 6749 §5.2 and RFC 8628 §3.5 that are used.
const (
	OAuthPending      OAuthCode = "authorization_pending"
	OAuthSlowDown     OAuthCode = "slow_down"
	OAuthDenied       OAuthCode = "access_denied"
	OAuthExpired      OAuthCode = "expired_token"
	OAuthInvalid      OAuthCode = "invalid_request"
	OAuthInvalidGrant OAuthCode = "invalid_grant"
	OAuthUnsupported  OAuthCode = "unsupported_grant_type"
	OAuthUnavailable  OAuthCode = "temporarily_unavailable"
)
