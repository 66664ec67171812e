// Package mcpsink delivers a key's new secret to the AI clients on this machine that are connected with the key: entries that hold
// the secret are rewritten, and where a client runs Keyfob to get it, the secret that is kept for that is. Nothing is connected that
// was not. The package must not know the service, rotations or the command line.
package mcpsink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/internal/userfile"
	"github.com/keyfob/keyfob/pkg/secret"
)

// All stands for every client.
const All = "all"

// Machine is what the sink needs to know of this machine and the service.
type Machine struct {
	Connector func() (mcpconnect.Connector, error)
	// Key returns the key that is rotated.
	Key func(ctx context.Context) (id, name string, err error)
	// Owner returns the id of the key that a secret is of, which stands in an entry for the URL; empty: it opens nothing any more,
	// or is another service's, which must not be shown it.
	Owner func(ctx context.Context, url string, s secret.Secret) (id string, err error)
	// Keep puts a secret where clients that run Keyfob find it, and Kept returns it; kept is false where there is no such place:
	// then they ask the service.
	Keep func(ctx context.Context, keyID string, s secret.Secret) error
	Kept func(ctx context.Context, keyID string) (s secret.Secret, kept bool, err error)
}

// Sink is the clients of one id, or all.
type Sink struct {
	id      string
	clients []mcpclient.Client
	machine Machine

	mu     sync.Mutex
	owners map[secret.Secret]string // as they were before an old secret was cut
}

// New returns the sink for a client, by its id, or for all.
func New(id string, m Machine) (*Sink, error) {
	s := &Sink{id: id, machine: m, owners: map[secret.Secret]string{}}
	for _, c := range mcpclient.Clients() {
		if id == All || c.ID == id {
			s.clients = append(s.clients, c)
		}
	}
	if len(s.clients) == 0 {
		return nil, &sink.Error{
			Sink: fmt.Sprintf("%q", "mcp:"+id), Reason: "there is no such AI client", Hint: "name one of `keyfob mcp clients`, or all", Usage: true,
		}
	}
	return s, nil
}

// Name is "mcp:" and the client.
func (s *Sink) Name() string { return "mcp:" + s.id }

// found is what is connected with the key.
type found struct {
	connector   mcpconnect.Connector
	keyID, name string
	holding     []mcpconnect.Standing // the secret stands in the entry
	running     bool                  // an entry runs Keyfob
}

// find looks for the entries of the key. An entry that holds the secret or new is one, too.
func (s *Sink) find(ctx context.Context, next secret.Secret) (found, error) {
	var out found
	var err error
	if out.connector, err = s.machine.Connector(); err != nil {
		return out, err
	}
	if out.keyID, out.name, err = s.machine.Key(ctx); err != nil {
		return out, err
	}
	standing, troubles := out.connector.Scan(s.clients)
	if len(troubles) > 0 {
		return out, s.fails(troubles[0].Err) // the key may stand in it
	}
	for _, at := range standing {
		if err := s.add(ctx, &out, at, next); err != nil {
			return out, err
		}
	}
	if len(out.holding) == 0 && !out.running {
		return out, &sink.Error{
			Sink: s.Name(), Reason: "no client here is connected with the key " + out.name,
			Hint: "connect one: keyfob mcp connect --client CLIENT --key " + out.keyID + " --apply",
		}
	}
	return out, nil
}

// add takes an entry up if it is the key's.
func (s *Sink) add(ctx context.Context, out *found, at mcpconnect.Standing, next secret.Secret) error {
	held := at.Key
	if at.EnvVar != "" && held.IsZero() {
		if set, err := secret.Parse(secret.Key, out.connector.Where.Env(at.EnvVar)); err == nil {
			held = set
		}
	}
	switch {
	case at.KeyID != "":
		out.running = out.running || at.KeyID == out.keyID || at.KeyID == out.name
		return nil
	case held.IsZero():
		return nil
	}
	owner, err := s.owner(ctx, at, held, next, out.keyID)
	if err != nil || owner != out.keyID {
		return err
	}
	if at.Key.IsZero() {
		return &sink.Error{
			Sink: s.Name(), Reason: at.Client.Title + " refers to the variable " + at.EnvVar + ", which can't be set from here",
			Hint: "deliver it where the variable is set, for example with dotenv:, and name the other clients one by one",
		}
	}
	out.holding = append(out.holding, at)
	return nil
}

// owner returns the key that a secret in an entry is of. What Keyfob wrote there itself and nobody changed, it knows.
func (s *Sink) owner(ctx context.Context, at mcpconnect.Standing, held, next secret.Secret, keyID string) (string, error) {
	if held == next {
		return keyID, nil
	}
	if at.Written != "" {
		return at.Written, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, known := s.owners[held]
	if known {
		return owner, nil
	}
	owner, err := s.machine.Owner(ctx, at.URL, held)
	if err == nil {
		s.owners[held] = owner
	}
	return owner, err
}

// Ready says why no client could get the secret.
func (s *Sink) Ready(ctx context.Context) error {
	_, err := s.find(ctx, secret.Secret{})
	return err
}

// Put gives the clients the secret.
func (s *Sink) Put(ctx context.Context, next secret.Secret) error {
	at, err := s.find(ctx, next)
	if err != nil {
		return err
	}
	if at.running {
		if err := s.machine.Keep(ctx, at.keyID, next); err != nil {
			return err
		}
	}
	for _, entry := range at.holding {
		if entry.Key == next {
			continue
		}
		_, _, err := at.connector.Connect(ctx, mcpconnect.Request{
			Wants: []mcpconnect.Want{{
				Client: entry.Client, Key: mcpconnect.Key{ID: at.keyID, Name: at.name, Secret: next, Minted: entry.Minted},
			}},
			Scope: entry.Scope, Name: entry.Name, URL: entry.URL, Named: true, Rung: mcpclient.RungLiteral,
		})
		if err != nil {
			return s.fails(err)
		}
	}
	return nil
}

// Holds says whether every entry of the key has the secret.
func (s *Sink) Holds(ctx context.Context, want secret.Secret) (bool, error) {
	at, err := s.find(ctx, want)
	if err != nil {
		return false, err
	}
	if at.running {
		kept, is, err := s.machine.Kept(ctx, at.keyID)
		if err != nil || is && kept != want {
			return false, err
		}
	}
	return !slices.ContainsFunc(at.holding, func(e mcpconnect.Standing) bool { return e.Key != want }), nil
}

// fails says of a client's file what is wrong with it.
func (s *Sink) fails(err error) error {
	if e, ok := errors.AsType[*mcpconnect.Error](err); ok {
		return &sink.Error{Sink: s.Name(), Reason: e.Error(), Hint: e.Hint}
	}
	if e, ok := errors.AsType[*userfile.Error](err); ok {
		return &sink.Error{Sink: s.Name(), Reason: e.Error(), Hint: e.Hint}
	}
	return err
}
