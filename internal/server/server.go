// Package server is the HTTP service: it checks where a request comes from and who sends it, calls core, and writes the
// answer that pkg/api/openapi.yaml promises. Every operation is one row of the table in routes.go.
//
// It must not know storage, the command line, or any rule of the domain: those are core's.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/server/mcp"
	"github.com/keyfob/keyfob/internal/server/mcpgateway"
	"github.com/keyfob/keyfob/pkg/api"
)

// handleTimeout is how long a handler may take; it is less than the connection's write timeout, so that the answer to a
// handler that was too slow still arrives.
const handleTimeout = 20 * time.Second

// Config is what a Server depends on. Every member but Pages and Gateway is needed.
type Config struct {
	Core *core.Service
	// PublicURL is the origin under which users reach the service; answers that name one of its pages begin with it.
	PublicURL *url.URL
	// Pages are what people see in a browser.
	Pages []Page
	// MCP is the hosted MCP server as setups name it; URL is the public URL of this service's /mcp.
	MCP api.MCPServer
	// Gateway stands before the MCP server that /mcp is for; nil: /mcp is our own.
	Gateway *mcpgateway.Gateway
	// Proxies are the networks whose X-Forwarded-For says who the client is; nil: nobody's does.
	Proxies []netip.Prefix
	// AllowedHosts are the hosts, without port and brackets, that a Host or an Origin header may name.
	AllowedHosts []string
	// TLSExpires says when the certificate ends; nil: there is none.
	TLSExpires func() time.Time
	// LocalMetrics has /metrics answered here, to programs on this machine.
	LocalMetrics bool
	Version      string
	Log          *slog.Logger
}

// Server is the service's http.Handler.
type Server struct {
	Config

	mux      *http.ServeMux
	metrics  *metrics
	authz    access
	hosts    map[string]bool
	ids      *requestIDs
	always   []header
	draining atomic.Bool
}

// header is one that every answer has; answers share its value.
type header struct {
	name  string // in its canonical form
	value []string
}

// New builds the service's handler.
func New(cfg Config) *Server {
	s := &Server{Config: cfg, mux: http.NewServeMux(), hosts: map[string]bool{}, ids: newRequestIDs(), always: []header{
		{"Cache-Control", []string{"no-store"}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"Referrer-Policy", []string{"no-referrer"}},
	}}
	for _, host := range cfg.AllowedHosts {
		s.hosts[strings.ToLower(host)] = true
	}
	patterns := []string{"", authzPath, mcpPath} // the first: no route
	for _, route := range append(s.routes(), s.pages()...) {
		pattern := strings.TrimSpace(route.method + " " + route.pattern)
		patterns = append(patterns, pattern)
		s.mux.Handle(pattern, &endpoint{server: s, route: route})
	}
	s.metrics = newMetrics(append(patterns, metricsPath))
	s.metrics.register(s)
	if cfg.LocalMetrics {
		s.mux.Handle(metricsPath, &endpoint{server: s, route: route{pattern: metricsPath, access: s.localMetrics()}})
	}
	s.authz = s.gateway()
	if cfg.Gateway != nil {
		s.mux.Handle(mcpPath, &endpoint{server: s, route: route{pattern: mcpPath, access: s.gatewayAccess(cfg.Gateway)}, streams: true})
		return s
	}
	tools := mcp.New(mcp.Config{Core: cfg.Core, Name: cfg.MCP.Name, Version: cfg.Version})
	s.mux.Handle(mcpPath, &endpoint{server: s, route: route{pattern: mcpPath, access: s.mcpAccess(tools)}})
	return s
}

// Unready makes /readyz answer 503 from now on, so that no new requests are sent here; all else is served as before. Each answer ends
// its connection: none that is idle when the service ends has a request on its way.
func (s *Server) Unready() { s.draining.Store(true) }

// Drain is for when no more requests come: it is Unready, and the gateway's streams end now, its other requests after a while.
func (s *Server) Drain() {
	s.Unready()
	if s.Gateway != nil {
		s.Gateway.Drain()
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w, id: [1]string{s.ids.next()}}
	header := w.Header()
	header[headerRequestID] = rec.id[:]
	for _, always := range s.always {
		header[always.name] = always.value
	}
	if s.draining.Load() {
		header["Connection"] = []string{"close"}
	}
	if len(r.TransferEncoding) > 0 {
		// A Content-Length may stand beside it, which net/http hides: what follows may be a part of this request to a proxy that goes
		// by that, so it is no other to us (RFC 9112 §6.1).
		header["Connection"] = []string{"close"}
	}

	defer s.finish(rec, r, time.Now())
	proxies(s.Proxies).locate(r)
	if isAuthz(r.URL.Path) {
		r.Pattern = authzPath
		if err := s.authz.handle(rec, r); err != nil { // neither Host nor Origin is looked at; core bounds what may wait
			s.fail(rec, r, err)
		}
		return
	}
	found, _ := s.mux.Handler(r)
	if _, ok := found.(*endpoint); !ok {
		s.unrouted(rec, r, found)
		return
	}
	s.mux.ServeHTTP(rec, r) // sets r.Pattern and the path values
}

// endpoint serves one route.
type endpoint struct {
	server *Server
	route
	streams bool // it bounds itself
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := context.WithValue(r.Context(), requestIDKey{}, answerID(w))
	if !e.streams {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, handleTimeout)
		defer cancel()
	}
	r = r.WithContext(ctx)
	if err := e.serve(w, r); err != nil {
		e.server.fail(w, r, err)
	}
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	if e.auth != authProbe && e.auth != authGateway {
		if err := e.server.checkHost(r); err != nil {
			return err
		}
	}
	if e.auth != authPage && e.auth != authGateway {
		if err := e.server.checkOrigin(r); err != nil {
			return err
		}
	}
	return e.handle(w, r)
}

// unrouted answers what no route takes, as the mux's own handler would, but with a problem. That handler also redirects
// paths such as //v1 or /v1/../v1: to a program that is one more wrong path.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request, muxAnswer http.Handler) {
	if err := s.checkHost(r); err != nil {
		s.fail(w, r, err)
		return
	}
	probe := &discard{header: http.Header{}}
	muxAnswer.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allow := probe.header.Get("Allow")
		w.Header().Set("Allow", allow)
		s.fail(w, r, &core.Error{Code: api.CodeMethodNotAllowed, Detail: "this path takes " + allow})
		return
	}
	s.fail(w, r, errNothingHere())
}

func errNothingHere() error {
	return &core.Error{Code: api.CodeNotFound, Detail: "there is nothing at this path", Fix: "see /openapi.json for every path"}
}

// discard is a ResponseWriter that keeps only status and header.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
