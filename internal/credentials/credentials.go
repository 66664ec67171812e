// Package credentials keeps the session token of the command line: it reads it from KEYFOB_TOKEN, the OS keyring or, for
// the local context, a file in the user's own data directory, and says where it lay.
//
// Every wait is bounded, nothing is claimed to be stored that was not read back, and no place is taken in silence of
// another. The package must not know the service, the commands or the configuration; it reads no environment of its own.
package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keyfob/keyfob/pkg/secret"
)

const tokenVariable = "KEYFOB_TOKEN"

// Ref names one credential.
type Ref struct {
	// Origin is whom the credential is for: scheme://host[:port], lower-case, no path. It goes to nobody else.
	Origin string
	// Context is the name of the context that the credential serves.
	Context string
	// LocalDir is set for the local context only: the absolute path of its data directory, where the session is a file.
	LocalDir string
}

// Kind is a kind of place.
type Kind string

// The kinds of place, in the order in which they are asked.
const (
	KindEnvironment Kind = "environment"
	KindKeyring     Kind = "keyring"
	KindFile        Kind = "file"
)

// Source is where a credential lies.
type Source struct {
	Kind Kind `json:"kind"`
	// Detail is the name of the variable, the service name of the keyring item, or the path of the file.
	Detail string `json:"detail"`
}

// String names the place for people: "KEYFOB_TOKEN", "the OS keyring (keyfob:https://…)", "the file /…".
func (s Source) String() string {
	switch s.Kind {
	case KindKeyring:
		return "the OS keyring (" + s.Detail + ")"
	case KindFile:
		return "the file " + s.Detail
	case KindEnvironment:
	}
	return s.Detail
}

// Config is what the package is told of its surroundings.
type Config struct {
	// EnvToken is the value of KEYFOB_TOKEN, empty if it is unset.
	EnvToken string
	// Env looks up DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR; nil: both are unset.
	Env func(string) string
	// GOOS is the operating system as runtime.GOOS names it; empty: this one.
	GOOS string
	// Timeout is the time that all keyring calls of a Store may take together; 0: 3 s.
	Timeout time.Duration
	// Keyring stands in for the OS's; nil: the OS's.
	Keyring Keyring
}

// Store reads and writes credentials. It is safe for concurrent use; a process makes one.
type Store struct {
	envToken string
	keyring  place
	file     place
}

// place is one kind of place where credentials lie. Values are what encode makes.
type place interface {
	source(Ref) Source
	// get returns the value; ErrNone: there is none; errAbsent: there is no such place on this machine.
	get(context.Context, Ref) (string, error)
	put(context.Context, Ref, string) error
	// remove says whether there was something to remove.
	remove(context.Context, Ref) (bool, error)
}

// New makes a Store. It reads no file and touches no keyring.
func New(cfg Config) *Store {
	return &Store{envToken: cfg.EnvToken, keyring: newKeyringPlace(cfg), file: newFilePlace()}
}

// places lists where the credential may lie, in the order in which the places are asked. Put takes the first. The local
// context never asks the keyring: its session is as safe as the data beside it, and a hung keyring must not stop it.
func (s *Store) places(ref Ref) []place {
	if ref.LocalDir != "" {
		return []place{s.file}
	}
	return []place{s.keyring}
}

// Get returns the token and where it lay. KEYFOB_TOKEN goes before every other place, and none is then touched. ErrNone:
// there is no token; it is joined by ErrUnavailable where this machine has no keyring that could hold one.
func (s *Store) Get(ctx context.Context, ref Ref) (secret.Secret, Source, error) {
	const op = "get"
	if s.envToken != "" {
		return fromEnvironment(s.envToken)
	}
	if err := check(ctx, ref); err != nil {
		return secret.Secret{}, Source{}, during(op, err)
	}
	var absent error
	for _, p := range s.places(ref) {
		value, err := p.get(ctx, ref)
		switch {
		case errors.Is(err, ErrNone):
			continue
		case errors.Is(err, errAbsent):
			absent = err
			continue
		case err != nil:
			return secret.Secret{}, Source{}, during(op, err)
		}
		token, err := decode(ref.Origin, value)
		if err != nil {
			return secret.Secret{}, Source{}, during(op, unusable(ref, p.source(ref), err))
		}
		return token, p.source(ref), nil
	}
	return secret.Secret{}, Source{}, during(op, none(ref, absent))
}

// Put stores the token in the first place of ref, reads it back and compares. It never takes another place instead, and
// it does not look at KEYFOB_TOKEN. After an error the token may or may not lie there.
func (s *Store) Put(ctx context.Context, ref Ref, token secret.Secret) (Source, error) {
	const op = "put"
	if err := check(ctx, ref); err != nil {
		return Source{}, during(op, err)
	}
	value, err := encode(ref.Origin, token)
	if err != nil {
		return Source{}, during(op, err)
	}
	p := s.places(ref)[0]
	if err := p.put(ctx, ref, value); err != nil {
		return Source{}, during(op, err)
	}
	got, err := p.get(ctx, ref)
	if err != nil || got != value {
		return Source{}, during(op, notStored(p.source(ref), err))
	}
	return p.source(ref), nil
}

// Delete removes the token from every place where it lies, the environment excepted, and returns those places: none if it
// lay nowhere. It goes on after a failure; the error then joins all failures.
func (s *Store) Delete(ctx context.Context, ref Ref) ([]Source, error) {
	const op = "delete"
	if err := check(ctx, ref); err != nil {
		return nil, during(op, err)
	}
	var removed []Source
	var failures []error
	for _, p := range s.places(ref) {
		found, err := p.remove(ctx, ref)
		if err != nil && !errors.Is(err, errAbsent) {
			failures = append(failures, during(op, err))
		}
		if found {
			removed = append(removed, p.source(ref))
		}
	}
	return removed, errors.Join(failures...)
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

const (
	maxOrigin  = 300 // bytes; a host name has at most 253
	maxContext = 255 // bytes; Windows takes 512 for service and user together
)

// check refuses what a keyring would choke on: macOS reads its command by lines, D-Bus takes no NUL and only UTF-8. It
// names the bad part without its value: an origin with userinfo holds a password.
func check(ctx context.Context, ref Ref) error {
	if ctx.Err() != nil {
		return cancelled(ctx, "")
	}
	if !isOrigin(ref.Origin) {
		return &Error{
			Reason: "the origin of the service is not scheme://host[:port] in lower case",
			Hint:   "give the service's address as https://host, without user, path or query",
		}
	}
	if ref.Context == "" || len(ref.Context) > maxContext || !printable(ref.Context) {
		return &Error{
			Reason: "the name of the context is empty, too long or not printable",
			Hint:   fmt.Sprintf("use 1 to %d bytes of printable UTF-8", maxContext),
		}
	}
	if ref.LocalDir != "" && !filepath.IsAbs(ref.LocalDir) {
		return &Error{
			Place:  KindFile,
			Reason: fmt.Sprintf("the data directory %q is not an absolute path", ref.LocalDir),
			Hint:   "give the data directory as an absolute path",
		}
	}
	return nil
}

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxOrigin && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && isASCII(s)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }) < 0
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
