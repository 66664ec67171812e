package mcp

import (
	"context"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
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
		tail, err := ownFolder(f)
		if err != nil {
			return nil, nil, err
		}
		return append(HeadersArgv(own, key, s.Ref.Context, s.Org), tail...), append(ProxyArgv(own, key, s.Ref.Context, s.Org), tail...), nil
	}
}

// keep puts the secret of a key where the helper finds it.
func keep(f *cliutil.Factory) func(context.Context, *cliutil.Session, Key) error {
	return func(ctx context.Context, s *cliutil.Session, key Key) error {
		return KeepSecret(ctx, f, s, key.Key.ID, key.Secret)
	}
}

// ownFolder says where the configuration lies if only this shell's environment does: a client that a desktop starts has HOME
// and little else.
func ownFolder(f *cliutil.Factory) ([]string, error) {
	cfg, err := f.Config()
	if err != nil {
		return nil, err
	}
	usual, err := config.Dir(func(name string) string {
		if name == config.EnvDir || name == "XDG_CONFIG_HOME" {
			return ""
		}
		return f.Env(name)
	}, f.GOOS)
	if err == nil && usual == cfg.Dir {
		return nil, nil
	}
	return []string{"--config-dir", cfg.Dir}, nil
}

// forget removes what keep has kept, whether or not there is still a session.
func forget(f *cliutil.Factory) func(context.Context, string) error {
	return func(ctx context.Context, keyID string) error {
		cfg, err := f.Config()
		if err != nil || cfg.String(config.OptURL) == "" || cfg.String(config.OptToken) != "" {
			return err // nothing was kept
		}
		ref, err := f.Ref(cfg.String(config.OptURL))
		if err != nil {
			return err
		}
		return ForgetSecret(ctx, f, &cliutil.Session{Ref: ref}, keyID)
	}
}
