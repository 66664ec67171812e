package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// route is one row of the table: what is known of an operation before its handler runs.
type route struct {
	method, pattern string
	operation       string // operationId in openapi.yaml; empty: not part of that document
	access
}

// access is a handler together with what authenticates it, so that no route can have the one without the other.
type access struct {
	auth   auth
	handle func(http.ResponseWriter, *http.Request) error
}

// auth is what a request must bring.
type auth int

const (
	authProbe   auth = iota // nothing, and for any Host: load balancers ask by address
	authNone                // nothing
	authSession             // a session token
	authKey                 // a key
	authGateway             // a key, for any Host and Origin: those are of the request that a gateway asks about
	authPage                // what the page itself asks for; it checks Origin, too
)

// routes is the one table of operations.
func (s *Server) routes() []route {
	const (
		keys    = "/v1/orgs/{org}/keys"
		key     = keys + "/{key}"
		members = "/v1/orgs/{org}/members"
		member  = members + "/{member}"
	)
	return append(append(s.rotationRoutes(key), s.trustRoutes()...), []route{
		{"GET", "/v1/session", "getSession", s.session(s.getSession)},
		{"DELETE", "/v1/session", "deleteSession", s.session(s.deleteSession)},
		{"GET", "/v1/sessions", "listSessions", s.session(s.listSessions)},
		{"DELETE", "/v1/sessions", "endSessions", s.session(s.endSessions)},
		{"DELETE", "/v1/sessions/{session}", "endSession", s.session(s.endSession)},
		{"POST", "/v1/device/code", "startDevice", s.oauth(s.startDevice)},
		{"POST", "/v1/device/token", "pollDevice", s.oauth(s.pollDevice)},
		{"GET", "/v1/orgs", "listOrgs", s.session(s.listOrgs)},
		{"POST", "/v1/orgs/{org}/tokens", "createToken", s.session(s.createToken)},
		{"GET", members, "listMembers", s.session(s.listMembers)},
		{"POST", members, "addMember", s.session(s.addMember)},
		{"PATCH", member, "updateMember", s.session(s.updateMember)},
		{"DELETE", member, "removeMember", s.session(s.removeMember)},
		{"GET", keys, "listKeys", s.session(s.listKeys)},
		{"POST", keys, "createKey", s.session(s.createKey)},
		{"GET", key, "getKey", s.session(s.getKey)},
		{"PATCH", key, "updateKey", s.session(s.updateKey)},
		{"DELETE", key, "deleteKey", s.session(s.deleteKey)},
		{"POST", key + "/disable", "disableKey", s.session(s.disableKey)},
		{"POST", key + "/enable", "enableKey", s.session(s.enableKey)},
		{"POST", key + "/reveal", "revealKey", s.session(s.revealKey)},
		{"GET", key + "/usage", "getKeyUsage", s.session(s.getKeyUsage)},
		{"POST", keys + "/lookup", "lookupKey", s.session(s.lookupKey)},
		{"GET", "/v1/orgs/{org}/events", "listEvents", s.session(s.listEvents)},
		{"GET", "/v1/orgs/{org}/active-key", "getActiveKey", s.session(s.getActiveKey)},
		{"GET", "/v1/orgs/{org}/mcp", "getMCP", s.session(s.getMCP)},
		{"GET", "/v1/self", "getSelf", s.key(s.getSelf)},
		{"GET", authzPath, "authorize", s.gateway()},
		{"POST", "/v1/keys/verify", "verifyKey", s.session(s.verifyKey)},
		{"GET", "/healthz", "healthz", s.probe(s.healthz)},
		{"GET", "/readyz", "readyz", s.probe(s.readyz)},
		{"GET", "/openapi.json", "openapi", s.open(s.openapi)},
	}...)
}

func (s *Server) probe(h func(http.ResponseWriter, *http.Request) error) access {
	return access{authProbe, withBody(h)}
}

func (s *Server) open(h func(http.ResponseWriter, *http.Request) error) access {
	return access{authNone, withBody(h)}
}

func (s *Server) session(h func(http.ResponseWriter, *http.Request, core.Principal) error) access {
	return access{authSession, func(w http.ResponseWriter, r *http.Request) error {
		token, err := sessionToken(r)
		if err != nil {
			return err
		}
		principal, err := s.Core.Authenticate(r.Context(), token)
		if err != nil {
			return err
		}
		if principal.Session.Kind == api.SessionBrowser {
			return refused("the session of a browser was sent; it lives in a cookie, which this API does not take", fixSession)
		}
		if s.Core.IsReplica() && r.Method != http.MethodGet {
			r = r.WithContext(core.WithEffect(r.Context(), func(replicas int, at time.Time) { setEffect(w.Header(), replicas, at) }))
		}
		return withBody(func(w http.ResponseWriter, r *http.Request) error { return h(w, r, principal) })(w, r)
	}}
}

// setEffect says from when on every replica goes by a change, and how many there are.
func setEffect(h http.Header, replicas int, at time.Time) {
	h.Set(api.HeaderReplicas, strconv.Itoa(replicas))
	h.Set(api.HeaderEffectiveAt, at.UTC().Format(time.RFC3339Nano))
}

func (s *Server) key(h func(http.ResponseWriter, *http.Request, core.Caller) error) access {
	return access{authKey, func(w http.ResponseWriter, r *http.Request) error {
		key, err := headerKey(r)
		if err != nil {
			return err
		}
		caller, err := s.checkKey(w, r, key)
		if err != nil {
			return err
		}
		return withBody(func(w http.ResponseWriter, r *http.Request) error { return h(w, r, caller) })(w, r)
	}}
}
