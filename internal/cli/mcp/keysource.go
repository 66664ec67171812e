package mcp

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/internal/keysource"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// secretTimeout is how long a client waits for a secret, whatever keyring and service do.
const secretTimeout = 3500 * time.Millisecond

// HeadersArgv is the command line of a client's header helper, of which exe is the absolute path of keyfob. Context and org may be
// empty: the selected ones.
func HeadersArgv(exe, key, contextName, org string) []string {
	return keyArgv(exe, "headers", key, contextName, org)
}

// ProxyArgv is the command line of the server entry of a client that speaks MCP over stdio only.
func ProxyArgv(exe, key, contextName, org string) []string {
	return keyArgv(exe, "proxy", key, contextName, org)
}

func keyArgv(exe, verb, key, contextName, org string) []string {
	argv := []string{exe, "mcp", verb, "--key", key}
	if contextName != "" {
		argv = append(argv, "--context", contextName)
	}
	if org != "" {
		argv = append(argv, "--org", org)
	}
	return argv
}

// KeepSecret keeps the secret of a key, just revealed, where the session lies, so that the first `mcp headers` and `mcp proxy` find it
// there. It does nothing where there is no such place: with KEYFOB_TOKEN, and beside an encrypted file.
func KeepSecret(ctx context.Context, f *cliutil.Factory, session *cliutil.Session, key string, s secret.Secret) error {
	if session.Job || session.Source.Kind == credentials.KindEnvironment {
		return nil
	}
	store, err := f.Credentials()
	if err != nil {
		return err
	}
	ref := session.Ref
	ref.Key = key
	if _, err = store.Put(ctx, ref, s); errors.Is(err, credentials.ErrNotKept) {
		return nil
	}
	return err
}

// KeptSecret returns what KeepSecret keeps; kept is false where there is no place for it.
func KeptSecret(ctx context.Context, f *cliutil.Factory, session *cliutil.Session, key string) (s secret.Secret, kept bool, err error) {
	if session.Source.Kind == credentials.KindEnvironment {
		return secret.Secret{}, false, nil
	}
	store, err := f.Credentials()
	if err != nil {
		return secret.Secret{}, false, err
	}
	ref := session.Ref
	ref.Key = key
	s, _, err = store.Stored(ctx, ref)
	switch {
	case errors.Is(err, credentials.ErrNotKept):
		return secret.Secret{}, false, nil
	case errors.Is(err, credentials.ErrNone), errors.Is(err, credentials.ErrUnusable):
		return secret.Secret{}, true, nil
	}
	return s, true, err
}

// ForgetSecret removes what KeepSecret keeps.
func ForgetSecret(ctx context.Context, f *cliutil.Factory, session *cliutil.Session, key string) error {
	store, err := f.Credentials()
	if err != nil {
		return err
	}
	ref := session.Ref
	ref.Key = key
	if _, err = store.Delete(ctx, ref); errors.Is(err, credentials.ErrNotKept) {
		return nil
	}
	return err
}

// keyAccess finds the secret of one key for a program. Each call starts with fresh time for the keyring.
type keyAccess struct {
	f    *cliutil.Factory
	key  string // name or id
	note func(format string, args ...any)
}

// source wires a keysource to the service and the credentials that the options select. The client carries no session.
func (a *keyAccess) source(ctx context.Context) (*keysource.Source, *client.Client, error) {
	alone := a.f.Unattended()
	cfg, err := alone.Config()
	if err != nil {
		return nil, nil, err
	}
	if err := cfg.ContextErr(); err != nil {
		return nil, nil, err
	}
	url := cfg.String(config.OptURL)
	if url == "" {
		return nil, nil, cliutil.NotSignedIn("no service is selected")
	}
	bare, err := alone.NewClient(url, secret.Secret{})
	if err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(a.key, "key_") {
		if a.key, err = keyID(ctx, alone, a.key); err != nil {
			return nil, nil, err
		}
	}
	s := &keysource.Source{
		Key: a.key, Self: bare.Self, Note: a.note,
		Reveal: func(ctx context.Context) (api.Key, secret.Secret, error) {
			at, err := cliutil.OpenOrg(ctx, alone.Session)
			if err != nil {
				return api.Key{}, secret.Secret{}, err
			}
			return at.RevealKey(ctx, at.Org, a.key)
		},
	}
	if cfg.String(config.OptToken) != "" {
		return s, bare, nil // neither keyring nor disk
	}
	return s, bare, keepIn(alone, url, s)
}

// keepIn has the secret kept where the session of the service lies.
func keepIn(f *cliutil.Factory, url string, s *keysource.Source) error {
	ref, err := f.Ref(url)
	if err != nil {
		return err
	}
	ref.Key = s.Key
	store, err := f.Credentials()
	if err != nil {
		return err
	}
	s.Kept = func(ctx context.Context) (secret.Secret, error) {
		kept, _, err := store.Stored(ctx, ref)
		return kept, err
	}
	s.Keep = func(ctx context.Context, current secret.Secret) error {
		_, err := store.Put(ctx, ref, current)
		if errors.Is(err, credentials.ErrNotKept) {
			return nil
		}
		return err
	}
	return nil
}

func keyID(ctx context.Context, f *cliutil.Factory, name string) (string, error) {
	at, err := cliutil.OpenOrg(ctx, f.Session)
	if err != nil {
		return "", err
	}
	key, err := at.Key(ctx, at.Org, name)
	return key.ID, err
}

// find returns the secret, and a client to ask the service with it.
func (a *keyAccess) find(ctx context.Context) (keysource.Found, *client.Client, error) {
	source, bare, err := a.source(ctx)
	if err != nil {
		return keysource.Found{}, nil, a.explain(err)
	}
	found, err := source.Secret(ctx)
	return found, bare, a.explain(err)
}

// explain says of a key that opens nothing how to go on.
func (a *keyAccess) explain(err error) error {
	var unusable *keysource.NotUsableError
	var answered *client.Error
	e := &cliutil.Error{Exit: cliutil.ExitConflict, Err: err}
	switch {
	case errors.As(err, &unusable):
		e.Code, e.Message = "key-"+string(unusable.Status), "the key "+cliutil.Printable(unusable.Name)+" is "+string(unusable.Status)
	case errors.As(err, &answered) && (answered.Code == api.CodeKeyDisabled || answered.Code == api.CodeKeyExpired):
		e.Code, e.Message, e.RequestID, e.Status = string(answered.Code), answered.Message, answered.RequestID, answered.Status
	case errors.As(err, &answered) && answered.Code == api.CodeKeyNotFound:
		e.Code, e.Exit, e.Message = string(answered.Code), cliutil.ExitNotFound, answered.Message
		e.RequestID, e.Status = answered.RequestID, answered.Status
		e.Hint = "connect the client with another key: `keyfob mcp connect --client CLIENT`"
		return e
	default:
		return err
	}
	e.Hint = "run `keyfob keys enable " + cliutil.Word(a.key) + "`, or connect the client with another key: `keyfob mcp connect --client CLIENT`"
	if e.Code == string(api.CodeKeyExpired) {
		e.Hint = "give the key a later expiry, or connect the client with another key: `keyfob mcp connect --client CLIENT`"
	}
	return e
}
