package completion

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// kind is what is asked for.
type kind string

const (
	kindKeys kind = "keys" // with their tags
	kindOrgs kind = "orgs"

	kindMembers kind = "members"
	kindTrust   kind = "trust"
)

// errNotAsked says that the credential can't be had without a prompt, or that none is there.
var errNotAsked = errors.New("no credential without asking")

// place is the service and organisation that the options select, and where what is known of them lies.
type place struct {
	kind  kind
	ref   credentials.Ref
	token bool // KEYFOB_TOKEN is set
	cache cache
}

// locate reads the configuration alone.
func locate(f *cliutil.Factory, kind kind) (place, error) {
	cfg, err := f.Config()
	if err != nil {
		return place{}, err
	}
	if err := cfg.ContextErr(); err != nil {
		return place{}, err
	}
	ref, err := f.Ref(cfg.String(config.OptURL))
	if err != nil {
		return place{}, err
	}
	org := cfg.String(config.OptOrg)
	if kind == kindOrgs {
		org = "" // the session's, whichever is selected
	}
	return place{
		kind: kind, ref: ref, token: cfg.String(config.OptToken) != "",
		cache: newCache(f.Env, f.GOOS, string(kind), ref.Origin, ref.Context, org),
	}, nil
}

// isLocal says that no wait was behind a failure.
func isLocal(err error) bool {
	var known *cliutil.Error
	return errors.Is(err, errNotAsked) || errors.As(err, &known) && known.Exit == cliutil.ExitAuth
}

// fetch asks the service. With an error there may still be an answer, of what came before it.
func fetch(ctx context.Context, f *cliutil.Factory, at place) (answer, error) {
	failed := answer{state: stateFailed}
	if !at.token && !opensUnasked(ctx, f, at.ref) {
		return failed, errNotAsked
	}
	session, err := f.Session(ctx)
	if err != nil {
		return failed, err
	}
	if at.kind == kindOrgs {
		return fetchOrgs(ctx, session.Client)
	}
	org, err := session.SelectOrg(ctx)
	if err != nil {
		return failed, err
	}
	switch at.kind {
	case kindMembers:
		return fetchMembers(ctx, session.Client, org)
	case kindTrust:
		return fetchTrustRules(ctx, session.Client, org)
	case kindKeys, kindOrgs:
	}
	return fetchKeys(ctx, session.Client, org)
}

// opensUnasked says that the session can be read without a prompt: nobody wants one on Tab.
func opensUnasked(ctx context.Context, f *cliutil.Factory, ref credentials.Ref) bool {
	switch {
	case ref.LocalDir != "", ref.Store.Kind == credentials.KindPlain:
		return true
	case ref.Store.Kind == credentials.KindEncrypted, ref.Store.Kind == credentials.KindHelper:
		return false
	}
	return credentials.Unlocked(ctx, f.Env, ref)
}

func fetchKeys(ctx context.Context, c *client.Client, org string) (answer, error) {
	var keys []api.Key
	for key, err := range c.Keys(ctx, org, client.ListKeysOptions{Limit: 1000}) {
		if err != nil && len(keys) == 0 {
			return answer{state: stateFailed}, err
		}
		if err != nil {
			return answer{state: statePartial, keys: keyList(keys), words: tagList(keys)}, err
		}
		if keys = append(keys, key); len(keys) == maxKeys {
			break
		}
	}
	return answer{state: stateWhole, keys: keyList(keys), words: tagList(keys)}, nil
}

func fetchOrgs(ctx context.Context, c *client.Client) (answer, error) {
	info, err := c.Session(ctx)
	if err != nil {
		return answer{state: stateFailed}, err
	}
	described := map[string]string{}
	for _, org := range info.Orgs {
		described[org.Slug] = org.Name
	}
	return answer{state: stateWhole, words: describedList(described)}, nil
}

func fetchMembers(ctx context.Context, c *client.Client, org string) (answer, error) {
	members, err := c.Members(ctx, org)
	if err != nil {
		return answer{state: stateFailed}, err
	}
	described := map[string]string{}
	for _, m := range members {
		described[m.Email] = string(m.Role) + " · " + m.Name
		if m.Status == api.MemberInvited {
			described[m.Email] = string(m.Role) + " · invited"
		}
	}
	return answer{state: stateWhole, words: describedList(described)}, nil
}

func fetchTrustRules(ctx context.Context, c *client.Client, org string) (answer, error) {
	rules, err := c.TrustRules(ctx, org)
	if err != nil {
		return answer{state: stateFailed}, err
	}
	described := map[string]string{}
	for _, r := range rules {
		described[r.Name] = string(r.Provider) + " · " + r.Issuer
	}
	return answer{state: stateWhole, words: describedList(described)}, nil
}
