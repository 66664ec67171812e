package server

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/server/mcp"
	"github.com/keyfob/keyfob/internal/server/mcpgateway"
	"github.com/keyfob/keyfob/pkg/api"
)

const (
	mcpPath    = "/mcp"
	mcpSession = "mcp session" // what tags of a session and its key are for
)

// mcpAccess authenticates a request to the hosted MCP server by its key and hands it on with its caller.
func (s *Server) mcpAccess(tools http.Handler) access {
	return access{authKey, func(w http.ResponseWriter, r *http.Request) error {
		key, err := headerOrQueryKey(r)
		if err != nil {
			return err
		}
		caller, err := s.checkKey(w, r, key)
		if err != nil {
			return err
		}
		log := s.Log.With(slog.String("request_id", requestID(r.Context())))
		out := &mcpWriter{ResponseWriter: w}
		tools.ServeHTTP(out, r.WithContext(mcp.WithCaller(r.Context(), caller, log)))
		return out.problem()
	}}
}

// gatewayAccess authenticates a request by its key and passes it on to the MCP server behind this service.
func (s *Server) gatewayAccess(g *mcpgateway.Gateway) access {
	return access{authKey, func(w http.ResponseWriter, r *http.Request) error {
		key, err := headerOrQueryKey(r)
		if err != nil {
			return err
		}
		in, err := s.checkKey(w, r, key)
		if err != nil {
			return err
		}
		standing, err := s.Core.Standing(key)
		if err != nil {
			return err
		}
		return g.Serve(w, r, mcpgateway.Caller{
			Org: in.Org.Slug, KeyID: in.KeyID, KeyName: in.KeyName, Secret: in.KeyID + "/" + strconv.Itoa(in.SecretVersion),
			Still:  func(ctx context.Context) (refused, err error) { return s.Core.StillAdmits(ctx, standing) },
			Tag:    func(text string) ([]byte, error) { return s.Core.Tag(mcpSession, in.KeyID+" "+text) },
			Tagged: func(text string, tag []byte) bool { return s.Core.Tagged(mcpSession, in.KeyID+" "+text, tag) },
		})
	}}
}

// mcpWriter lets the answers of the MCP protocol through and holds back what is none: the SDK refuses requests that
// never reach the protocol in plain text, and here every refusal is a problem.
type mcpWriter struct {
	http.ResponseWriter
	started bool
	refusal int // status of the plain-text answer that was held back; 0: none
	text    bytes.Buffer
}

func (m *mcpWriter) WriteHeader(status int) {
	if m.started || m.refusal != 0 {
		return
	}
	if status >= http.StatusBadRequest && strings.HasPrefix(m.Header().Get("Content-Type"), "text/plain") {
		m.refusal = status
		return
	}
	m.started = true
	m.Header().Set("Cache-Control", "no-store, no-transform") // no-transform: proxies must not hold back a stream
	m.ResponseWriter.WriteHeader(status)
}

func (m *mcpWriter) Write(b []byte) (int, error) {
	if m.refusal != 0 {
		return m.text.Write(b)
	}
	if !m.started {
		m.WriteHeader(http.StatusOK)
	}
	return m.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (m *mcpWriter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

func (m *mcpWriter) problem() error {
	code := api.CodeInternal
	switch m.refusal {
	case 0:
		return nil
	case http.StatusBadRequest, http.StatusNotFound:
		code = api.CodeInvalidRequest
	case http.StatusMethodNotAllowed:
		code = api.CodeMethodNotAllowed
	case http.StatusRequestEntityTooLarge:
		code = api.CodeBodyTooLarge
	case http.StatusUnsupportedMediaType:
		code = api.CodeUnsupportedMedia
	}
	m.Header().Del("Content-Type")
	return &core.Error{Code: code, Detail: strings.TrimSpace(m.text.String())}
}
