// Package credentials keeps the session token of the command line. KEYFOB_TOKEN goes before every other place; a local
// service's session is a file beside its data; any other lies where its sign-in chose: in the OS keyring, with a helper
// program, in a file encrypted with a passphrase, or in a plain file. The secret of a key that AI clients connect with is
// kept in the same place, as an item of its own; an encrypted file keeps none, since nobody types a passphrase for them.
//
// Every wait is bounded, nothing is claimed to be stored that was not read back, and no place is taken in silence of
// another. The package must not know the service, the commands or the configuration; it reads no environment of its own
// and asks no person itself.
package credentials

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	tokenVariable      = "KEYFOB_TOKEN"
	passphraseVariable = "KEYFOB_PASSPHRASE"
)

// Config is what the package is told of its surroundings.
type Config struct {
	// EnvToken is the value of KEYFOB_TOKEN, empty if it is unset.
	EnvToken string
	// Env looks up DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR; nil: both are unset.
	Env func(string) string
	// Environ is the whole environment, which a helper gets without KEYFOB_TOKEN and KEYFOB_PASSPHRASE; nil: it is empty.
	Environ func() []string
	// GOOS is the operating system as runtime.GOOS names it; empty: this one.
	GOOS string
	// Dir is the absolute path of the folder below which files lie: Dir/credentials/CONTEXT.age and CONTEXT.json. It may
	// be empty where no Ref chooses a file.
	Dir string
	// Passphrase asks for the passphrase of a file; purpose says of which ("for the session of context …"), confirm that it
	// is a new one, which a person has to type twice. Its error is passed on as it is. nil: nobody can be asked.
	Passphrase func(ctx context.Context, purpose string, confirm bool) (string, error)
	// Timeout is the time that all keyring calls of a Store may take together; 0: 3 s.
	Timeout time.Duration
	// HelperTimeout is the time that one call of a helper may take; 0: 60 s, since a person may have to touch a key.
	HelperTimeout time.Duration
	// Keyring stands in for the OS's; nil: the OS's.
	Keyring Keyring
	// Unattended says that a program started this one, where nobody can be asked and where the environment may hold nothing
	// but HOME: a keyring that would have somebody unlock it fails at once, and the bus of the user is found without
	// XDG_RUNTIME_DIR.
	Unattended bool
}

// Store reads and writes credentials. It is safe for concurrent use; a process makes one.
type Store struct {
	envToken  string
	local     place
	keyring   place
	helper    place
	encrypted place
	plain     place
}

// place is one kind of place where credentials lie. Values are what encode makes.
type place interface {
	source(Ref) Source
	// check says why the place can't serve the Ref, whatever it holds.
	check(Ref) error
	// get returns the value; ErrNone: there is none; errAbsent: there is no such place on this machine.
	get(context.Context, Ref) (string, error)
	// put replaces what was there, where it can only after it has read back what it wrote.
	put(context.Context, Ref, string) error
	// remove says whether there was something to remove.
	remove(context.Context, Ref) (bool, error)
}

// New makes a Store. It reads no file, touches no keyring and runs no helper.
func New(cfg Config) *Store {
	return &Store{
		envToken:  cfg.EnvToken,
		local:     newLocalPlace(),
		keyring:   newKeyringPlace(cfg),
		helper:    newHelperPlace(cfg),
		encrypted: newEncryptedPlace(cfg),
		plain:     newPlainPlace(cfg),
	}
}

// place is where the Ref's credential lies, and nowhere else. The local context never asks the keyring: its session is as
// safe as the data beside it, and a hung keyring must not stop it.
func (s *Store) place(ctx context.Context, ref Ref) (place, error) {
	if err := check(ctx, ref); err != nil {
		return nil, err
	}
	p := s.keyring
	switch {
	case ref.LocalDir != "":
		p = s.local
	case ref.Store.Kind == KindHelper:
		p = s.helper
	case ref.Store.Kind == KindEncrypted:
		p = s.encrypted
	case ref.Store.Kind == KindPlain:
		p = s.plain
	}
	if ref.Key != "" && p == s.encrypted {
		return nil, &Error{
			Place: KindEncrypted, Reason: "a file encrypted with a passphrase keeps no secret of a key",
			Hint: "it is asked for each time", err: ErrNotKept,
		}
	}
	return p, p.check(ref)
}

// Get returns the token and where it lay. KEYFOB_TOKEN goes before every other place, and none is then touched. ErrNone:
// there is no token; it is joined by ErrUnavailable where this machine has no keyring that could hold one.
func (s *Store) Get(ctx context.Context, ref Ref) (secret.Secret, Source, error) {
	if s.envToken != "" && ref.Key == "" {
		return fromEnvironment(s.envToken)
	}
	return s.Stored(ctx, ref)
}

// Stored returns what lies in the place of ref, whatever KEYFOB_TOKEN says. ErrUnusable: what lies there is no credential for
// the origin and the key of ref, and may be replaced. ErrNotKept: there can't be one there.
func (s *Store) Stored(ctx context.Context, ref Ref) (secret.Secret, Source, error) {
	const op = "get"
	p, err := s.place(ctx, ref)
	if err != nil {
		return secret.Secret{}, Source{}, during(op, err)
	}
	value, err := p.get(ctx, ref)
	if errors.Is(err, ErrNone) || errors.Is(err, errAbsent) {
		return secret.Secret{}, Source{}, during(op, none(ref, err))
	}
	if err != nil {
		return secret.Secret{}, Source{}, during(op, err)
	}
	token, err := decode(ref, value)
	if err != nil {
		return secret.Secret{}, Source{}, during(op, unusable(ref, p.source(ref), err))
	}
	return token, p.source(ref), nil
}

// Put stores the token in the place of ref, reads it back and compares. It never takes another place instead, and it does
// not look at KEYFOB_TOKEN. After an error the token may or may not lie
// there; a file is then still whole, the old one or another's.
func (s *Store) Put(ctx context.Context, ref Ref, token secret.Secret) (Source, error) {
	const op = "put"
	p, err := s.place(ctx, ref)
	if err != nil {
		return Source{}, during(op, err)
	}
	value, err := encode(ref, token)
	if err != nil {
		return Source{}, during(op, err)
	}
	if err := p.put(ctx, ref, value); err != nil {
		return Source{}, during(op, err)
	}
	got, err := p.get(ctx, ref)
	if err != nil || got != value {
		return Source{}, during(op, notStored(ref, p.source(ref), err))
	}
	return p.source(ref), nil
}

// Delete removes the token from the place of ref, and from no other, and returns that place: none if it lay nowhere. A
// helper does not say whether it had something; it counts as if it had.
func (s *Store) Delete(ctx context.Context, ref Ref) ([]Source, error) {
	const op = "delete"
	p, err := s.place(ctx, ref)
	if err != nil {
		return nil, during(op, err)
	}
	found, err := p.remove(ctx, ref)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, during(op, err)
	}
	if !found {
		return nil, nil
	}
	return []Source{p.source(ref)}, nil
}

func fromEnvironment(value string) (secret.Secret, Source, error) {
	token, err := secret.Parse(secret.Session, value)
	if err == nil {
		return token, Source{KindEnvironment, tokenVariable}, nil
	}
	hint := "set it to a session token (kfs_…), or unset it"
	if _, keyErr := secret.Parse(secret.Key, value); keyErr == nil {
		hint = "it holds an API key; " + hint
	} else if strings.TrimSpace(value) != value {
		hint = "it has white space at its ends; " + hint
	}
	return secret.Secret{}, Source{}, &Error{
		Op: "get", Place: KindEnvironment, Reason: tokenVariable + " holds no session token: " + err.Error(), Hint: hint, err: err,
	}
}
