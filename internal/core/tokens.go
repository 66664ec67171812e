package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/store"
	"github.com/keyfob/keyfob/pkg/api"
)

// tokenLimit is how long a token lives at most: a year, whichever it is, and the day that a pipeline is late.
const tokenLimit = 366 * 24 * time.Hour

// CreateToken makes a session for a program: in this org only, with these permissions only, and none that its user does not have
// at the moment of use. CodeForbidden: the principal lacks one of them now, or is a token. CodeNameTaken: a token of the user that
// lives has the name.
func (s *Service) CreateToken(ctx context.Context, p Principal, org string, in NewToken) (SignedIn, error) {
	if err := p.notToken("make tokens"); err != nil {
		return SignedIn{}, err
	}
	name, err := normalTokenName(in.Name)
	if err != nil {
		return SignedIn{}, err
	}
	permissions, err := normalPermissions(in.Permissions)
	if err != nil {
		return SignedIn{}, err
	}
	expires, err := checkTokenExpiry(in.ExpiresAt, s.now())
	if err != nil {
		return SignedIn{}, err
	}
	var out SignedIn
	err = s.update(ctx, func(tx store.Tx) error {
		o, err := access(tx, p, org, permissions...)
		if err != nil {
			return err
		}
		if err := s.tokenNameFree(tx, p.User.ID, name); err != nil {
			return err
		}
		row := store.Session{
			UserID: p.User.ID, Kind: string(api.SessionToken), Name: name, Host: p.Session.Host, Permissions: texts(permissions), ExpiresAt: expires,
		}
		if out, err = s.addSession(tx, row, o); err != nil {
			return err
		}
		return s.sessionEvent(tx, "token.created", p.Actor(), out.Session,
			facts("permissions", strings.Join(row.Permissions, " "), "expires_at", expires.Format(time.RFC3339)))
	})
	if err != nil {
		return SignedIn{}, fmt.Errorf("create a token: %w", err)
	}
	return out, nil
}

func (s *Service) tokenNameFree(tx store.Tx, userID, name string) error {
	all, err := s.sessionsOf(tx, userID)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.live && o.Kind == api.SessionToken && fold(o.Name) == fold(name) {
			return nameTaken(name, store.ErrExists)
		}
	}
	return nil
}

func normalTokenName(name string) (string, error) {
	if looksLikeSecret(name) {
		return "", invalidf("the token's name looks like a secret")
	}
	return normalName("the token's name", name)
}

// normalPermissions checks permissions and returns each once, in the order of the table.
func normalPermissions(in []api.Permission) ([]api.Permission, error) {
	known := api.Permissions()
	for _, p := range in {
		if !slices.Contains(known, p) {
			return nil, refusef(api.CodeInvalidRequest, "take some of "+strings.Join(texts(known), ", "), "there is no permission %s", shown(string(p)))
		}
	}
	out := slices.DeleteFunc(known, func(p api.Permission) bool { return !slices.Contains(in, p) })
	if len(out) == 0 {
		return nil, refusef(api.CodeInvalidRequest, "name at least one of "+strings.Join(texts(api.Permissions()), ", "), "a token without permissions opens nothing")
	}
	return out, nil
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, t := range in {
		out[i] = string(t)
	}
	return out
}

func checkTokenExpiry(at, now time.Time) (time.Time, error) {
	if at.IsZero() {
		return time.Time{}, invalidf("a token must expire: at most %d days from now", tokenLimit/(24*time.Hour))
	}
	if at.After(now.Add(tokenLimit)) {
		return time.Time{}, invalidf("the expiry %s is more than %d days from now", at.Format(time.RFC3339), tokenLimit/(24*time.Hour))
	}
	return checkExpiry(at, now)
}
