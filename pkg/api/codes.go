package api

import (
	"net/http"
	"time"
)

// Code names a failure; programs branch on it, so a code never changes its meaning.
type Code string

// The codes that the service answers with.
const (
	CodeInvalidRequest     Code = "invalid-request"
	CodeUnauthenticated    Code = "unauthenticated"
	CodeKeyDisabled        Code = "key-disabled"
	CodeKeyExpired         Code = "key-expired"
	CodeForbidden          Code = "forbidden"
	CodeHostNotAllowed     Code = "host-not-allowed"
	CodeOriginNotAllowed   Code = "origin-not-allowed"
	CodeNotFound           Code = "not-found"
	CodeKeyNotFound        Code = "key-not-found"
	CodeOrgNotFound        Code = "org-not-found"
	CodeMemberNotFound     Code = "member-not-found"
	CodeSessionNotFound    Code = "session-not-found"
	CodeTrustNotFound      Code = "trust-rule-not-found"
	CodeNoActiveKey        Code = "no-active-key"
	CodeMethodNotAllowed   Code = "method-not-allowed"
	CodeNameTaken          Code = "name-taken"
	CodeAlreadyMember      Code = "already-member"
	CodeLastOwner          Code = "last-owner"
	CodeKeyRecentlyUsed    Code = "key-recently-used"
	CodeNotRecoverable     Code = "not-recoverable"
	CodeKeyNotEnabled      Code = "key-not-enabled"
	CodeRotationNotFound   Code = "rotation-not-found"
	CodeRotationOpen       Code = "rotation-open"
	CodeRotationState      Code = "rotation-state"
	CodeRotationUsed       Code = "rotation-used"
	CodePreconditionFailed Code = "precondition-failed"
	CodeIdempotency        Code = "idempotency-mismatch"
	CodeBodyTooLarge       Code = "body-too-large"
	CodeUnsupportedMedia   Code = "unsupported-media-type"
	CodeTooManyTries       Code = "too-many-tries"
	CodeRateLimited        Code = "rate-limited"
	CodeInternal           Code = "internal"
	CodeUnavailable        Code = "unavailable"
	CodeReplicaStale       Code = "replica-stale"
)

// CodeInfo is all that is known of a code: the HTTP status it is answered with and the problem's title (RFC 9457).
type CodeInfo struct {
	Code   Code
	Status int
	Title  string
}

// Codes is the one table of failures; the server's answers, the client's exit codes, docs and tests derive from it.
func Codes() []CodeInfo {
	return []CodeInfo{
		{CodeInvalidRequest, http.StatusBadRequest, "The request is not valid"},
		{CodeUnauthenticated, http.StatusUnauthorized, "No valid credential"},
		{CodeKeyDisabled, http.StatusUnauthorized, "The key is disabled"},
		{CodeKeyExpired, http.StatusUnauthorized, "The key has expired"},
		{CodeForbidden, http.StatusForbidden, "Not permitted"},
		{CodeHostNotAllowed, http.StatusForbidden, "The Host header is not this service's"},
		{CodeOriginNotAllowed, http.StatusForbidden, "The Origin header is not allowed"},
		{CodeNotFound, http.StatusNotFound, "No such resource"},
		{CodeKeyNotFound, http.StatusNotFound, "No such key"},
		{CodeOrgNotFound, http.StatusNotFound, "No such organisation"},
		{CodeMemberNotFound, http.StatusNotFound, "No such member"},
		{CodeSessionNotFound, http.StatusNotFound, "No such session"},
		{CodeTrustNotFound, http.StatusNotFound, "No such trust rule"},
		{CodeRotationNotFound, http.StatusNotFound, "No such rotation"},
		{CodeNoActiveKey, http.StatusNotFound, "The organisation has no active key"},
		{CodeMethodNotAllowed, http.StatusMethodNotAllowed, "The method is not allowed here"},
		{CodeNameTaken, http.StatusConflict, "The name is taken"},
		{CodeAlreadyMember, http.StatusConflict, "The user is a member already"},
		{CodeLastOwner, http.StatusConflict, "It is the last owner"},
		{CodeKeyRecentlyUsed, http.StatusConflict, "The key was used in the last 24 hours"},
		{CodeNotRecoverable, http.StatusConflict, "The secret was not kept"},
		{CodeKeyNotEnabled, http.StatusConflict, "The key is disabled or expired"},
		{CodeRotationOpen, http.StatusConflict, "A rotation of the key is open"},
		{CodeRotationState, http.StatusConflict, "The rotation is not that far, or further"},
		{CodeRotationUsed, http.StatusConflict, "The new secret was delivered or used"},
		{CodePreconditionFailed, http.StatusPreconditionFailed, "It was changed in between"},
		{CodeIdempotency, http.StatusUnprocessableEntity, "The idempotency key was used for something else"},
		{CodeBodyTooLarge, http.StatusRequestEntityTooLarge, "The body is too large"},
		{CodeUnsupportedMedia, http.StatusUnsupportedMediaType, "The body must be JSON"},
		{CodeTooManyTries, http.StatusTooManyRequests, "Too many tries"},
		{CodeRateLimited, http.StatusTooManyRequests, "The key's rate limit is reached"},
		{CodeInternal, http.StatusInternalServerError, "The service failed"},
		{CodeUnavailable, http.StatusServiceUnavailable, "The service is not available"},
		{CodeReplicaStale, http.StatusServiceUnavailable, "The replica may not know of a change"},
	}
}

// Info returns what is known of c; for a code this version does not know, ok is false and the status 500.
func (c Code) Info() (info CodeInfo, ok bool) {
	for _, i := range Codes() {
		if i.Code == c {
			return i, true
		}
	}
	return CodeInfo{Code: c, Status: http.StatusInternalServerError, Title: string(c)}, false
}

// Problem is an RFC 9457 problem with the members that Keyfob adds: a stable code, the request's id and, where one is
// known, what to do next.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      Code   `json:"code"`
	RequestID string `json:"request_id"`
	Fix       string `json:"fix,omitempty"`

	// LastUsedAt and Calls24h come with CodeKeyRecentlyUsed.
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	Calls24h   int64      `json:"calls_24h,omitempty"`
}
