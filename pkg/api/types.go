// Package api holds the wire types, the error codes, the roles and permissions that client and server share.
//
// The shapes are those of openapi.yaml in this folder; the server's tests hold every answer to that document.
// The package must not know HTTP handlers, storage or the command line, and depends on the standard library alone.
package api

import (
	"encoding/json"
	"time"
)

// KeyStatus says whether a key opens anything now.
type KeyStatus string

// The statuses of a key. A disabled key stays disabled when its expiry passes.
const (
	StatusEnabled  KeyStatus = "enabled"
	StatusDisabled KeyStatus = "disabled"
	StatusExpired  KeyStatus = "expired"
)

// KeyStatuses lists every status, for validation and completion.
func KeyStatuses() []KeyStatus { return []KeyStatus{StatusEnabled, StatusDisabled, StatusExpired} }

// SecretState is the part that one version of a key's secret plays.
type SecretState string

// A key has one current secret, one next while it rotates, and for a while after that a retiring one. A retired one opens
// nothing: only a look-up knows it.
const (
	SecretCurrent  SecretState = "current"
	SecretNext     SecretState = "next"
	SecretRetiring SecretState = "retiring"
	SecretRetired  SecretState = "retired"
)

// ActorType is the kind of whoever did something.
type ActorType string

// The kinds of actor.
const (
	ActorUser   ActorType = "user"
	ActorKey    ActorType = "key"
	ActorSystem ActorType = "system"
	ActorTrust  ActorType = "trust" // a job, by the trust rule that let it in
)

// Actor is who did something.
type Actor struct {
	Type ActorType `json:"type"`
	ID   string    `json:"id"`
	Name string    `json:"name"`
}

// Key is an organisation's named API key. It keeps its id and name for life and never carries a secret.
type Key struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Hint        string            `json:"hint"`
	Status      KeyStatus         `json:"status"`
	CreatedAt   time.Time         `json:"created_at"`
	CreatedBy   Actor             `json:"created_by"`
	UpdatedAt   time.Time         `json:"updated_at"`
	ExpiresAt   *time.Time        `json:"expires_at"`
	LastUsedAt  *time.Time        `json:"last_used_at"`
	Tags        map[string]string `json:"tags"`
	Recoverable bool              `json:"recoverable"`
	RateLimit   *RateLimit        `json:"rate_limit"` // nil: none
	Secrets     []SecretInfo      `json:"secrets"`
}

// SecretInfo describes one version of a key's secret by its hint.
type SecretInfo struct {
	Version    int         `json:"version"`
	Hint       string      `json:"hint"`
	State      SecretState `json:"state"`
	CreatedAt  time.Time   `json:"created_at"`
	ExpiresAt  *time.Time  `json:"expires_at"`
	LastUsedAt *time.Time  `json:"last_used_at"`
}

// KeyEnvelope is the answer that holds one key.
type KeyEnvelope struct {
	Key Key `json:"key"`
}

// KeyWithSecret is the answer of create and reveal. Beside them only RotationOpened holds a secret.
type KeyWithSecret struct {
	Key    Key    `json:"key"`
	Secret string `json:"secret"`
}

// KeyList is one page of keys; an empty NextPageToken says that it is the last.
type KeyList struct {
	Keys          []Key  `json:"keys"`
	NextPageToken string `json:"next_page_token"`
}

// CreateKeyRequest asks for a key.
type CreateKeyRequest struct {
	Name      string            `json:"name"`
	Tags      map[string]string `json:"tags,omitempty"`
	ExpiresAt *time.Time        `json:"expires_at,omitempty"`
	RateLimit *RateLimit        `json:"rate_limit,omitempty"`
}

// UpdateKeyRequest is a merge patch (RFC 7396): what is nil stays as it is. Tags replaces all tags.
type UpdateKeyRequest struct {
	Name      *string            `json:"name,omitempty"`
	Tags      *map[string]string `json:"tags,omitempty"`
	ExpiresAt *NullTime          `json:"expires_at,omitempty"`
	RateLimit *NullRateLimit     `json:"rate_limit,omitempty"`
}

// NullTime is a time or JSON null, so that a merge patch can tell "take it off" (Valid false) from "leave it" (nil pointer).
type NullTime struct {
	Time  time.Time
	Valid bool
}

// MarshalJSON implements json.Marshaler.
func (t NullTime) MarshalJSON() ([]byte, error) {
	if !t.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(t.Time)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *NullTime) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = NullTime{}
		return nil
	}
	t.Valid = true
	return json.Unmarshal(b, &t.Time)
}

// Org is an organisation.
type Org struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// Membership is an organisation and the role that the asking user has in it.
type Membership struct {
	Org
	Role Role `json:"role"`
}

// OrgList is one page of organisations.
type OrgList struct {
	Orgs          []Membership `json:"orgs"`
	NextPageToken string       `json:"next_page_token"`
}

// Self is what a key learns about itself.
type Self struct {
	Key Key `json:"key"`
	Org Org `json:"org"`
	// Secret is the version that was presented: while a key rotates it may be another than the current one.
	Secret SecretInfo `json:"secret"`
	// MCP is the hosted MCP server that takes the key.
	MCP MCPServer `json:"mcp"`
}

// Headers that GET /v1/authz answers with: whose key was presented.
const (
	HeaderOrg   = "Keyfob-Org"    // the org's slug
	HeaderKeyID = "Keyfob-Key-Id" // as Go spells it; HTTP does not care
	// HeaderKeyName is the key's name, percent-encoded as url.PathEscape does.
	HeaderKeyName = "Keyfob-Key-Name"
)

// Headers that changes of a key are answered with where several replicas serve.
const (
	HeaderReplicas = "Keyfob-Replicas" // how many go by the change: every one that may answer
	// HeaderEffectiveAt is since when, by the clock of the one that answers (RFC 3339).
	HeaderEffectiveAt = "Keyfob-Effective-At"
)

// VerifyRequest asks whether a key may pass.
type VerifyRequest struct {
	Secret string `json:"secret"`
}

// Verification says whether a key may pass and, if so, whose it is.
type Verification struct {
	Valid bool         `json:"valid"`
	Code  Code         `json:"code"` // why not; empty if it may
	Key   *VerifiedKey `json:"key"`  // nil unless it may
	Org   *Org         `json:"org"`  // likewise
	// RateLimit is what is left of the key's limit, also when that is why it may not pass; nil: it has none.
	RateLimit *RateLeft `json:"rate_limit"`
}

// VerifiedKey is what a program learns of a key that it verified.
type VerifiedKey struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"`
	ExpiresAt     *time.Time `json:"expires_at"` // when the secret ends, with its key or before; nil: not by itself
	SecretVersion int        `json:"secret_version"`
}

// MCPInfo is the answer that holds the hosted MCP server.
type MCPInfo struct {
	MCP MCPServer `json:"mcp"`
}

// MCPServer is the hosted MCP server: its name ([a-z0-9][a-z0-9_-]*, at most 63) and the absolute URL of its endpoint.
type MCPServer struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

// KeySort is the order of a list of keys; a "-" before it turns it round.
type KeySort string

// The orders. Never used comes first by last use, and never expiring last by expiry.
const (
	SortCreated  KeySort = "created"
	SortName     KeySort = "name"
	SortLastUsed KeySort = "last_used"
	SortExpires  KeySort = "expires"
)

// KeySorts lists every order, for validation and completion.
func KeySorts() []KeySort {
	var all []KeySort
	for _, s := range []KeySort{SortCreated, SortName, SortLastUsed, SortExpires} {
		all = append(all, s, "-"+s)
	}
	return all
}

// ReasonRequest says why a key is disabled or enabled.
type ReasonRequest struct {
	Reason string `json:"reason,omitempty"`
}

// LookupRequest asks which key a secret is.
type LookupRequest struct {
	Secret string `json:"secret"`
}

// Lookup is the key that a secret is of, and the version of it.
type Lookup struct {
	Key    Key        `json:"key"`
	Secret SecretInfo `json:"secret"`
}

// UsageEnvelope is the answer that holds a key's use.
type UsageEnvelope struct {
	Usage Usage `json:"usage"`
}

// Usage is who used a key lately, exact up to the moment it was asked.
type Usage struct {
	LastUsedAt *time.Time    `json:"last_used_at"`
	Calls1h    int64         `json:"calls_1h"`
	Calls24h   int64         `json:"calls_24h"`
	Callers    []UsageCaller `json:"callers"` // of the last 24 hours, latest first, at most 20
	Hours      []UsageHour   `json:"hours"`   // of the last 90 days, those with calls, oldest first
}

// UsageHour is the calls in one hour, which starts at a full hour of UTC.
type UsageHour struct {
	Start time.Time `json:"start"`
	Calls int64     `json:"calls"`
}

// UsageCaller is one caller, as coarse as use is kept: a network and a program.
type UsageCaller struct {
	Address    string    `json:"address"`
	Agent      string    `json:"agent"`
	LastUsedAt time.Time `json:"last_used_at"`
}

// Event is one thing that happened; it never holds a secret.
type Event struct {
	ID    string            `json:"id"`
	At    time.Time         `json:"at"`
	Type  string            `json:"type"`
	Actor Actor             `json:"actor"`
	KeyID *string           `json:"key_id"`
	Data  map[string]string `json:"data"`
}

// EventList is one page of events; an empty NextPageToken says that it is the last.
type EventList struct {
	Events        []Event `json:"events"`
	NextPageToken string  `json:"next_page_token"`
}
