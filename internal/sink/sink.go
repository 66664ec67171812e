// Package sink is where rotations deliver a new secret: a table of kinds of places, each of which says whether what lies there can
// be read back.
//
// A secret reaches a program through its stdin alone and a file that its owner alone can read; no error, name or receipt holds
// one. The package must not know the service, rotations or the command line.
package sink

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/keyfob/keyfob/pkg/secret"
)

// Sink is a place for a secret.
type Sink interface {
	// Name is what receipts call it: the same for the same place in every run.
	Name() string
	// Ready says why nothing could be delivered now. It changes nothing.
	Ready(ctx context.Context) error
	// Put delivers the secret. Done twice it is as good as done once.
	Put(ctx context.Context, s secret.Secret) error
}

// Reader is a Sink that can be read back.
type Reader interface {
	Sink
	// Get returns what lies there; empty: nothing does.
	Get(ctx context.Context) (string, error)
}

// Holder is a Sink of several places at once, which tells by itself whether all of them hold a secret.
type Holder interface {
	Sink
	Holds(ctx context.Context, s secret.Secret) (bool, error)
}

// ReadsBack says whether Holds can be asked of the sink.
func ReadsBack(s Sink) bool {
	switch s.(type) {
	case Reader, Holder:
		return true
	}
	return false
}

// Holds says whether what lies in the sink is the secret. A sink that can't be read back holds nothing.
func Holds(ctx context.Context, in Sink, s secret.Secret) (bool, error) {
	var text string
	var err error
	switch r := in.(type) {
	case Holder:
		return r.Holds(ctx, s)
	case Reader:
		text, err = r.Get(ctx)
	default:
		return false, nil
	}
	if err != nil {
		return false, err
	}
	got, want := sha256.Sum256([]byte(text)), sha256.Sum256([]byte(s.Reveal()))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1, nil
}

// Error says why a sink does not work, and what to do about it.
type Error struct {
	Sink   string // its name, or what was asked for
	Reason string
	Hint   string // may be empty
	// Usage says that what was asked for is none, rather than that it failed.
	Usage bool

	err error
}

// Error returns the sink and the reason.
func (e *Error) Error() string { return e.Sink + ": " + e.Reason }

// Unwrap returns the cause, where there is one.
func (e *Error) Unwrap() error { return e.err }

// System is what sinks need of the process.
type System struct {
	// Environ is the environment for programs.
	Environ func() []string
	// Print writes the secret as the payload.
	Print func(s secret.Secret) error
	// Lock keeps others in this process from a file until unlock is called; nil: there are none.
	Lock func(path string) (unlock func())
	// Clients returns the sink for the AI clients of an id.
	Clients func(id string) (Sink, error)
}

// Kind is a kind of sink.
type Kind struct {
	Name      string // what stands before the colon
	Form      string // how one is written
	Help      string
	ReadsBack bool
	Program   string // the vendor's own that it drives; empty: none

	parse func(rest string, sys System) (Sink, error)
}

// Kinds is the one table of kinds; parsing, completion, help and docs derive from it.
func Kinds() []Kind {
	kinds := []Kind{
		{Name: "stdout", Form: "stdout", Help: "printed; the default when no other is named", parse: parseStdout},
		{Name: "file", Form: "file:PATH", Help: "a file with nothing else in it, for you alone to read", ReadsBack: true, parse: parseFile},
		{
			Name: "dotenv", Form: "dotenv:PATH#NAME", Help: "a variable in a .env file; the rest of the file stays as it is", ReadsBack: true,
			parse: parseDotenv,
		},
		{Name: "exec", Form: "exec:COMMAND", Help: "a program that reads the secret from stdin and ends with exit code 0", parse: parseExec},
		{Name: "mcp", Form: "mcp:CLIENT", Help: "an AI client here that is connected with the key, or all of them", ReadsBack: true, parse: parseClients},
	}
	for _, p := range presets() {
		kinds = append(kinds, p.kind())
	}
	return kinds
}

// Parse reads a sink as a user writes it.
func Parse(spec string, sys System) (Sink, error) {
	name, rest, colon := strings.Cut(spec, ":")
	var names []string
	for _, k := range Kinds() {
		if k.Name == name && colon == strings.Contains(k.Form, ":") {
			return k.parse(rest, sys)
		}
		names = append(names, k.Name)
	}
	return nil, &Error{
		Sink: shown(spec), Reason: "this is no sink", Usage: true,
		Hint: "use one of " + strings.Join(names, ", ") + "; `keyfob keys rotate --help` shows how each is written",
	}
}

// ParseAll reads several sinks, each of which may be named once. None is stdout.
func ParseAll(specs []string, sys System) ([]Sink, error) {
	if len(specs) == 0 {
		specs = []string{"stdout"}
	}
	var out []Sink
	seen := map[string]bool{}
	for _, spec := range specs {
		s, err := Parse(spec, sys)
		if err != nil {
			return nil, err
		}
		if seen[s.Name()] {
			return nil, &Error{Sink: s.Name(), Reason: "it is named twice", Usage: true}
		}
		seen[s.Name()] = true
		out = append(out, s)
	}
	return out, nil
}

// shown is what a user wrote as an error may repeat it: no secret that was put in the wrong place.
func shown(spec string) string {
	const most = 80
	if strings.Contains(spec, string(secret.Key)) || strings.Contains(spec, string(secret.Session)) {
		return "(a secret)"
	}
	if len(spec) > most {
		spec = strings.ToValidUTF8(spec[:most], "") + "…"
	}
	return fmt.Sprintf("%q", spec)
}

func parseClients(id string, sys System) (Sink, error) { return sys.Clients(id) }

type stdout struct{ print func(secret.Secret) error }

func parseStdout(_ string, sys System) (Sink, error) { return stdout{sys.Print}, nil }

func (stdout) Name() string                                     { return "stdout" }
func (stdout) Ready(context.Context) error                      { return nil }
func (s stdout) Put(_ context.Context, sec secret.Secret) error { return s.print(sec) }
