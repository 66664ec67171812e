package server

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// openapiDocument is pkg/api/openapi.yaml as JSON, members in the same order.
//
//go:embed openapi.json
var openapiDocument []byte

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, api.Health{Status: "ok", Version: s.Version})
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if s.draining.Load() {
		return &core.Error{Code: api.CodeUnavailable, Detail: "the service is stopping"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.Core.Ready(ctx); err != nil {
		return err
	}
	return s.healthz(w, r)
}

func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", mediaJSON)
	if _, err := w.Write(openapiDocument); err != nil {
		return fmt.Errorf("send the document: %w", err)
	}
	return nil
}
