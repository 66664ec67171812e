package server

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const authzPath = "/v1/authz"

// isAuthz says that a gateway asks. Some send the method on, and append the path, of the request that they hold, whatever it is:
// the mux, which knows methods and cleans paths, is not asked.
func isAuthz(path string) bool {
	rest, ok := strings.CutPrefix(path, authzPath)
	return ok && (rest == "" || rest[0] == '/')
}

// gateway is the access of GET /v1/authz: the key of the request is its credential, and its body is left alone.
func (s *Server) gateway() access {
	return access{authGateway, func(w http.ResponseWriter, r *http.Request) error {
		in, err := s.admit(r)
		if err != nil {
			return asUnauthenticated(err)
		}
		header, of := w.Header(), [3]string{in.Org.Slug, in.KeyID, url.PathEscape(in.KeyName)}
		header[api.HeaderOrg] = of[0:1:1] // in their canonical form, as Set would find out
		header[api.HeaderKeyID] = of[1:2:2]
		header[api.HeaderKeyName] = of[2:3:3]
		setRate(w, in.Rate)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}}
}

func (s *Server) admit(r *http.Request) (core.Caller, error) {
	org := ""
	if r.URL.RawQuery != "" && r.URL.Path == authzPath { // below it, the query is of the request that the gateway holds
		var err error
		if org, err = queryOrg(r.URL.RawQuery); err != nil {
			return core.Caller{}, err
		}
	}
	key, err := headerKey(r)
	if err != nil {
		return core.Caller{}, err
	}
	from := Origin(r)
	from.Address = failuresOf(r, authGateway)
	return s.Core.Admit(r.Context(), key, org, from)
}

// queryOrg returns the org that the gateway lets in; empty: any.
func queryOrg(query string) (string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", invalid("the query of the URL can't be read") // its text may hold a key
	}
	if len(values["org"]) > 1 || values.Has("org") && values.Get("org") == "" {
		return "", invalid("the query parameter org must be given once, and not be empty")
	}
	return values.Get("org"), nil
}

// asUnauthenticated makes 401 of what a client did wrong: nginx takes every other status but 403 for a failure of its own.
func asUnauthenticated(err error) error {
	var known *core.Error
	if errors.As(err, &known) && known.Code == api.CodeInvalidRequest {
		return refused(known.Detail, known.Fix)
	}
	return err
}

func (s *Server) verifyKey(w http.ResponseWriter, r *http.Request, p core.Principal) error {
	presented, err := presentedSecret(r)
	if err != nil {
		return err
	}
	in, err := s.Core.Verify(r.Context(), p, presented, Origin(r))
	var refusal *core.Error
	if errors.As(err, &refusal) && isKeyRefusal(refusal.Code) {
		return writeJSON(w, http.StatusOK, api.Verification{Code: refusal.Code, RateLimit: wireRate(refusal.Rate)})
	}
	if err != nil {
		return err
	}
	org := api.Org(in.Org)
	return writeJSON(w, http.StatusOK, api.Verification{Valid: true, Org: &org, Key: &api.VerifiedKey{
		ID: in.KeyID, Name: in.KeyName, ExpiresAt: wireTime(in.ExpiresAt), SecretVersion: in.SecretVersion,
	}, RateLimit: wireRate(in.Rate)})
}

// isKeyRefusal says that a check gave the code as the reason why a key may not pass.
func isKeyRefusal(c api.Code) bool {
	return slices.Contains([]api.Code{api.CodeUnauthenticated, api.CodeKeyDisabled, api.CodeKeyExpired, api.CodeRateLimited}, c)
}
