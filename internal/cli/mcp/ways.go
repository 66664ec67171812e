package mcp

import (
	"context"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/credentials"
)

// ways returns how a client gets a key from this program. Where the session can't be read without a person, or is a variable
// of this shell alone, a client could not get it: then there is none.
func ways(f *cliutil.Factory) func(*cliutil.Session, string) (helper, proxy []string, err error) {
	return func(s *cliutil.Session, key string) (helper, proxy []string, err error) {
		if s.Source.Kind == credentials.KindEnvironment || s.Source.Kind == credentials.KindEncrypted {
			return nil, nil, nil
		}
		own, err := program(f)
		if err != nil {
			return nil, nil, err
		}
		return HeadersArgv(own, key, s.Ref.Context, s.Org), ProxyArgv(own, key, s.Ref.Context, s.Org), nil
	}
}

// keep puts the secret of a key where the helper finds it.
func keep(f *cliutil.Factory) func(context.Context, *cliutil.Session, Key) error {
	return func(ctx context.Context, s *cliutil.Session, key Key) error {
		return KeepSecret(ctx, f, s, key.Key.ID, key.Secret)
	}
}
