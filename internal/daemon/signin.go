package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/internal/server"
	"github.com/keyfob/keyfob/internal/server/pages"
	"github.com/keyfob/keyfob/pkg/api"
)

// SignIn is how people sign in: with an OpenID provider where there is an issuer, with passwords otherwise.
type SignIn struct {
	Issuer     string
	ClientID   string
	SecretFile string   // holds the client's secret; empty: a public client
	Joins      []string // DOMAIN=ORG:ROLE
}

// maxClientSecret bounds the file of a client secret, in bytes.
const maxClientSecret = 4096

// rules checks the options and returns the rules by which people join.
func (s SignIn) rules() ([]core.Join, error) {
	if s.Issuer == "" {
		if s.ClientID != "" || s.SecretFile != "" || len(s.Joins) > 0 {
			return nil, cliutil.UsageError("--oidc-client-id, --oidc-client-secret-file and --oidc-join need --oidc-issuer")
		}
		return nil, nil
	}
	if err := openid.CheckIssuer(s.Issuer); err != nil {
		return nil, cliutil.UsageError("--oidc-issuer: %s", cliutil.Printable(err.Error()))
	}
	if s.ClientID == "" {
		return nil, cliutil.UsageError("--oidc-issuer needs --oidc-client-id")
	}
	var joins []core.Join
	for _, rule := range s.Joins {
		join, err := parseJoin(rule)
		if err != nil {
			return nil, err
		}
		joins = append(joins, join)
	}
	return joins, nil
}

func parseJoin(rule string) (core.Join, error) {
	domain, rest, _ := strings.Cut(rule, "=")
	org, word, ok := strings.Cut(rest, ":")
	role, err := cliutil.OneOf("oidc-join", api.Role(word), api.Roles())
	if err != nil || !ok || domain == "" || org == "" || role == "" || role == api.RoleOwner {
		e := cliutil.UsageError("%s is not of the form DOMAIN=ORG:ROLE", cliutil.Quoted(rule))
		e.Hint = "such as example.com=acme:member; the role is admin, member or viewer"
		return core.Join{}, e
	}
	return core.Join{Domain: strings.ToLower(domain), Org: org, Role: role}, nil
}

// pages are what people see in a browser.
func (s SignIn) pages(c *core.Service, public *url.URL, now func() time.Time, log *slog.Logger) ([]server.Page, error) {
	cfg := pages.Config{Core: c, PublicURL: public, Cookies: c, Origin: server.Origin, Now: now, Log: log}
	if s.Issuer != "" {
		secret, err := s.clientSecret()
		if err != nil {
			return nil, err
		}
		cfg.OpenID = openid.New(openid.Config{
			Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: secret, RedirectURL: public.JoinPath("oidc", "callback").String(), Now: now,
		})
	}
	all, err := pages.New(cfg)
	if err != nil {
		return nil, err
	}
	var rows []server.Page
	for _, r := range all.Routes() {
		rows = append(rows, server.Page(r))
	}
	return rows, nil
}

// clientSecret reads the file, which must be for its owner alone.
func (s SignIn) clientSecret() (string, error) {
	if s.SecretFile == "" {
		return "", nil
	}
	refuse := func(reason, hint string, err error) error {
		return &cliutil.Error{
			Code: "client-secret-unusable", Exit: cliutil.ExitFailed, Err: err,
			Message: fmt.Sprintf("the client secret's file %s %s", s.SecretFile, reason), Hint: hint,
		}
	}
	info, err := os.Stat(s.SecretFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", refuse("is missing", "write the provider's client secret into it", err)
	case err != nil:
		return "", refuse("can't be used: "+err.Error(), "check its path and mode", err)
	case !info.Mode().IsRegular() || info.Size() > maxClientSecret:
		return "", refuse("is no file with one secret in it", "write the provider's client secret into it", nil)
	case info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows":
		return "", refuse(fmt.Sprintf("can be read by other users (mode %04o)", info.Mode().Perm()), fmt.Sprintf("chmod 600 %q", s.SecretFile), nil)
	}
	text, err := os.ReadFile(s.SecretFile)
	if err != nil {
		return "", refuse("can't be read: "+err.Error(), "check its owner and mode", err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" || strings.ContainsAny(secret, "\r\n") {
		return "", refuse("does not hold one line", "write the provider's client secret into it", nil)
	}
	return secret, nil
}
