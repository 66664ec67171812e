package keys

import (
	"context"
	"errors"
	"net/http"

	"github.com/keyfob/keyfob/internal/cli/mcp"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/mcpsink"
	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// clientSinks returns what makes sinks of the AI clients on this machine, for a key by its name or id.
func clientSinks(f *cliutil.Factory) func(key string) func(id string) (sink.Sink, error) {
	return func(key string) func(id string) (sink.Sink, error) {
		return func(id string) (sink.Sink, error) {
			s, err := mcpsink.New(id, mcpsink.Machine{
				Connector: func() (mcpconnect.Connector, error) { return mcp.NewConnector(f) },
				Key: func(ctx context.Context) (id, name string, err error) {
					at, err := cliutil.OpenOrg(ctx, f.Session)
					if err != nil {
						return "", "", err
					}
					k, err := at.Key(ctx, at.Org, key)
					return k.ID, k.Name, err
				},
				Owner: func(ctx context.Context, url string, s secret.Secret) (string, error) { return ownerOf(ctx, f, url, s) },
				Keep: func(ctx context.Context, keyID string, s secret.Secret) error {
					session, err := f.Session(ctx)
					if err != nil {
						return err
					}
					return mcp.KeepSecret(ctx, f, session, keyID, s)
				},
				Kept: func(ctx context.Context, keyID string) (secret.Secret, bool, error) {
					session, err := f.Session(ctx)
					if err != nil {
						return secret.Secret{}, false, err
					}
					return mcp.KeptSecret(ctx, f, session, keyID)
				},
			})
			if err != nil {
				return nil, err
			}
			return s, nil
		}
	}
}

// ownerOf asks the service whose secret it is; empty: one that it refuses is nobody's. A secret for another server is not sent.
func ownerOf(ctx context.Context, f *cliutil.Factory, url string, s secret.Secret) (string, error) {
	session, err := f.Session(ctx)
	if err != nil {
		return "", err
	}
	org, err := session.SelectOrg(ctx)
	if err != nil {
		return "", err
	}
	server, err := session.Client.MCP(ctx, org)
	if err != nil || url != server.URL {
		return "", err
	}
	self, err := session.Client.Self(ctx, s)
	if answered, ok := errors.AsType[*client.Error](err); ok && (answered.Status == http.StatusUnauthorized || answered.Status == http.StatusForbidden) {
		return "", nil
	}
	return self.Key.ID, err
}
