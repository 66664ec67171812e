package quickstart

import (
	"context"
	"errors"
	"time"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cli/mcp"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/internal/localservice"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpprobe"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// prepare signs in, finds or makes the key, proves it and builds the setups.
func prepare(ctx context.Context, opts *Options, launcher localservice.Launcher, at localservice.Info) (*report, error) {
	c, info, err := signIn(ctx, opts, launcher, at)
	if err != nil {
		return nil, err
	}
	org := info.Orgs[0]
	key, err := mcp.SetupKey(ctx, c, org.Slug, "")
	if err != nil {
		return nil, err
	}
	server, err := c.MCP(ctx, org.Slug)
	if err != nil {
		return nil, err
	}
	r := &report{
		Service: serviceDoc{URL: at.URL, DataDir: opts.DataDir}, Org: org.Org,
		Key: key.Key, Secret: key.Secret.Reveal(), MCP: server, made: key.Made,
	}
	r.Checks = []check{
		prove(opts, "self", func() (string, error) { return proveSelf(ctx, c, key) }),
		prove(opts, "mcp", func() (string, error) { return proveMCP(ctx, server, key.Secret) }),
	}
	for _, known := range mcpclient.Clients() {
		if !known.Featured {
			continue
		}
		setup, err := known.Setup(mcpclient.Params{Name: server.Name, URL: server.URL, Secret: key.Secret, Shell: opts.Shell})
		if err != nil {
			return nil, err
		}
		r.Setups = append(r.Setups, setup)
	}
	return r, nil
}

// signIn returns a client with a session that the service has accepted: the one kept from an earlier run, or a new one.
// The session lies as a file in the data directory, beside the data it opens. KEYFOB_TOKEN is not for this service.
func signIn(ctx context.Context, opts *Options, launcher localservice.Launcher, at localservice.Info) (*client.Client, api.SessionInfo, error) {
	store := credentials.New(credentials.Config{})
	ref := credentials.Ref{Origin: at.URL, Context: contextName, LocalDir: opts.DataDir}
	if token, found, err := keptSession(ctx, opts, store, ref); err != nil {
		return nil, api.SessionInfo{}, err
	} else if found {
		c, info, err := trySession(ctx, opts, at.URL, token)
		if err == nil {
			return c, info, saveContext(opts, at, info)
		}
		var answered *client.Error
		if !errors.As(err, &answered) || answered.Code != api.CodeUnauthenticated {
			return nil, api.SessionInfo{}, err
		}
	}
	made, err := launcher.Bootstrap(ctx, orgSlug, userName(opts.Env))
	if err != nil {
		return nil, api.SessionInfo{}, err
	}
	if _, err := store.Put(ctx, ref, made.Session); err != nil {
		return nil, api.SessionInfo{}, err
	}
	c, info, err := trySession(ctx, opts, at.URL, made.Session)
	if err != nil {
		return nil, api.SessionInfo{}, err
	}
	return c, info, saveContext(opts, at, info)
}

// keptSession looks for the session of an earlier run. It is bound to the origin it was made for: when the port has changed
// since, it is found under the URL of the context "local" and bound anew. One that can't be read is made anew.
func keptSession(ctx context.Context, opts *Options, store *credentials.Store, ref credentials.Ref) (secret.Secret, bool, error) {
	token, _, err := store.Get(ctx, ref)
	if err == nil {
		return token, true, nil
	}
	before, err := config.ReadContext(opts.Config.Dir, contextName)
	if err != nil || before.LocalDir != ref.LocalDir || before.URL == ref.Origin {
		return secret.Secret{}, false, ctx.Err()
	}
	token, _, err = store.Get(ctx, credentials.Ref{Origin: before.URL, Context: contextName, LocalDir: ref.LocalDir})
	if err != nil {
		return secret.Secret{}, false, ctx.Err()
	}
	_, err = store.Put(ctx, ref, token)
	return token, err == nil, err
}

func trySession(ctx context.Context, opts *Options, url string, token secret.Secret) (*client.Client, api.SessionInfo, error) {
	c, err := opts.NewClient(url, token)
	if err != nil {
		return nil, api.SessionInfo{}, err
	}
	info, err := c.Session(ctx)
	if err == nil && len(info.Orgs) == 0 {
		err = errors.New("the local service's owner belongs to no organisation")
	}
	return c, info, err
}

// saveContext keeps the service as the context "local". It becomes the current one unless another is: a quickstart must
// not turn somebody's next command from their real service to this one.
func saveContext(opts *Options, at localservice.Info, info api.SessionInfo) error {
	dir := opts.Config.Dir
	local := config.Context{
		Name: contextName, URL: at.URL, Org: info.Orgs[0].Slug, User: info.User.Name, LocalDir: opts.DataDir,
	}
	if err := config.WriteContext(dir, local); err != nil {
		return err
	}
	current, err := config.Current(dir)
	if err != nil {
		return err
	}
	if current != "" && current != contextName {
		opts.Out.Note("The current context stays %q; reach this service with --context %s.", current, contextName)
		return nil
	}
	return config.UseContext(dir, contextName)
}

func userName(env func(string) string) string {
	for _, name := range []string{"USER", "USERNAME"} {
		if user := env(name); user != "" {
			return user
		}
	}
	return "owner"
}

func prove(opts *Options, name string, do func() (string, error)) check {
	started := opts.Now()
	told, err := do()
	return check{Name: name, OK: err == nil, MS: milliseconds(opts.Now().Sub(started)), told: told, err: err}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func proveSelf(ctx context.Context, c *client.Client, key mcp.Key) (string, error) {
	self, err := c.Self(ctx, key.Secret)
	if err != nil {
		return "", err
	}
	if self.Key.ID != key.Key.ID {
		return "", errors.New("the service took the secret for another key's")
	}
	return "GET /v1/self knows the key " + self.Key.Name, nil
}

func proveMCP(ctx context.Context, server api.MCPServer, key secret.Secret) (string, error) {
	result, err := mcpprobe.Probe(ctx, mcpprobe.Request{URL: server.URL, Secret: key, Client: "keyfob", Version: build.Version()})
	if err != nil {
		return "", err
	}
	return "MCP handshake and tools/list: " + join(result.Tools), nil
}
