package mcpclient

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/shellquote"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Rung is how a client gets the key.
type Rung string

// The rungs, strongest first.
const (
	RungHelper  Rung = "helper"  // a command that prints headers
	RungEnv     Rung = "env"     // a reference to an environment variable
	RungProxy   Rung = "proxy"   // a stdio entry that runs a proxy
	RungLiteral Rung = "literal" // the key itself
)

// Rungs returns all rungs, strongest first.
func Rungs() []Rung { return []Rung{RungHelper, RungEnv, RungProxy, RungLiteral} }

// Auth is how an entry gets the key. Rung says which of the other fields is set; those are zero.
type Auth struct {
	Rung    Rung
	Literal secret.Secret
	EnvVar  string   // name of the variable: [A-Za-z_][A-Za-z0-9_]*
	Helper  []string // argv, the program as an absolute path
	Proxy   []string // argv, the program as an absolute path
}

// Reasons why Entry refuses.
var (
	ErrRung = errors.New("the client can't take the key in this way")
	ErrAuth = errors.New("not a way to give a client the key")
)

// The holes of a form, filled by Entry and found by Read.
const (
	theName    = "<name>"
	theURL     = "<url>"
	theKeyURL  = "<key-url>" // only in commands
	theKey     = "<key>"
	theVar     = "<var>"
	theHelper  = "<helper>"  // a line for the shell
	theCommand = "<command>" // of a proxy, with
	theArgs    = "<args>"    // as a list
	theArgv    = "<argv>"    // both as one list

	bearer = "Bearer " + theKey // RFC 6750
)

// forms are an entry as the vendor writes it, by rung.
type forms map[Rung]edit.Object

// obj is an object of names and values in turn.
func obj(pairs ...any) edit.Object {
	o := make(edit.Object, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		o = append(o, edit.Field{Name: name, Value: pairs[i+1]})
	}
	return o
}

// auth is an object of headers.
func auth(value string) edit.Object { return obj("Authorization", value) }

// stdio is the form of nearly every client for a server that it starts.
func stdio() edit.Object { return obj("command", theCommand, "args", theArgs) }

// Rungs returns what an entry of the scope can hold, strongest first.
func (c Client) Rungs(s Scope) []Rung {
	facts := c.facts()
	if !slices.ContainsFunc(facts.files, func(f file) bool { return f.scope == s && !f.old }) {
		return nil
	}
	return slices.DeleteFunc(Rungs(), func(r Rung) bool {
		return facts.forms[r] == nil || s == ScopeProject && slices.Contains(facts.notInProject, r)
	})
}

// Ladder returns the rungs that are taken without being asked for, the best first. A variable does not reach what a desktop
// starts. A proxy is a detour for a client that can hold the key, unless that would soon be readable for others.
func (c Client) Ladder(s Scope) []Rung {
	rungs := c.Rungs(s)
	order := []Rung{RungHelper, RungLiteral}
	switch {
	case c.facts().widens:
		order = []Rung{RungHelper, RungProxy, RungLiteral}
	case !slices.Contains(rungs, RungLiteral):
		order = []Rung{RungHelper, RungProxy}
	}
	return slices.DeleteFunc(order, func(r Rung) bool { return !slices.Contains(rungs, r) })
}

// Keeps returns the fields of an entry that a file has already which stay as they are there: ours are for a new entry only.
func (c Client) Keeps() []string { return c.facts().keeps }

// Entry returns what stands in the file for the server; it holds the key if a is RungLiteral. drop names the fields of the
// other rungs, to be taken out of an entry that is there. Secret and Shell of the parameters are not used. Errors are ErrName,
// ErrURL, ErrAuth, ErrRung and those of shellquote, and never hold the key.
func (c Client) Entry(t Target, s Params, a Auth) (entry edit.Object, drop [][]string, err error) {
	if err := checkName(s.Name); err != nil {
		return nil, nil, err
	}
	u, err := canonicalURL(s.URL)
	if err != nil {
		return nil, nil, err
	}
	if err := a.check(); err != nil {
		return nil, nil, err
	}
	if !slices.Contains(c.Rungs(t.Scope), a.Rung) || t.Foreign && (a.Rung == RungHelper || a.Rung == RungProxy) {
		return nil, nil, fmt.Errorf("%w: %s in the %s scope of %s", ErrRung, a.Rung, t.Scope, c.Title)
	}
	values := []string{theName, s.Name, theURL, u.String(), theKey, a.Literal.Reveal(), theVar, a.EnvVar}
	if a.Rung == RungHelper {
		line, err := helperLine(t.windows, a.Helper)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, theHelper, line)
	}
	if a.Rung == RungProxy {
		values = append(values, theCommand, a.Proxy[0])
	}
	fill := filler{text: strings.NewReplacer(values...), argv: a.Proxy}
	form := c.facts().forms[a.Rung]
	return fill.object(form), c.drops(form), nil
}

func (a Auth) check() error {
	set := map[Rung]bool{RungLiteral: !a.Literal.IsZero(), RungEnv: a.EnvVar != "", RungHelper: len(a.Helper) > 0, RungProxy: len(a.Proxy) > 0}
	for _, r := range Rungs() {
		if set[r] != (r == a.Rung) {
			return fmt.Errorf("%w: %s", ErrAuth, r)
		}
	}
	if a.Rung == RungEnv && !isVariable(a.EnvVar) {
		return fmt.Errorf("%w: a variable's name has letters, digits and _", ErrAuth)
	}
	if a.Rung == RungLiteral && !strings.HasPrefix(a.Literal.Reveal(), string(secret.Key)) {
		return ErrSecret
	}
	if !set[a.Rung] {
		return ErrAuth
	}
	return nil
}

func isVariable(s string) bool {
	return s != "" && strings.Trim(s, lower+upper+"_") == "" && (s[0] < '0' || s[0] > '9')
}

// helperLine is argv as the shell that the client runs a helper with reads it: sh, or cmd.exe on Windows.
func helperLine(windows bool, argv []string) (string, error) {
	shell := shellquote.Sh
	if windows {
		shell = shellquote.Cmd
	}
	// A line for a person has to begin with a bare word; a program hands its line to the shell, which takes a quoted path.
	const first = "keyfob"
	line, err := shellquote.Line(shell, append([]string{first}, argv...))
	return strings.TrimPrefix(line, first+" "), err
}

// filler fills the holes of a form.
type filler struct {
	text *strings.Replacer
	argv []string
}

func (f filler) object(form edit.Object) edit.Object {
	out := make(edit.Object, len(form))
	for i, field := range form {
		out[i] = edit.Field{Name: field.Name, Value: f.value(field.Value)}
	}
	return out
}

func (f filler) value(v any) any {
	switch v := v.(type) {
	case string:
		switch v {
		case theArgs:
			return list(f.argv[1:])
		case theArgv:
			return list(f.argv)
		}
		return f.text.Replace(v)
	case edit.Object:
		return f.object(v)
	default:
		return v
	}
}

func list(words []string) []any {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w
	}
	return out
}

// drops returns the paths that some form of the client has and this one has not.
func (c Client) drops(form edit.Object) [][]string {
	keep := leaves(form)
	var drop [][]string
	add := func(path []string) {
		same := func(p leaf) bool { return slices.Equal(p.path, path) }
		if !slices.ContainsFunc(keep, same) && !slices.ContainsFunc(drop, func(p []string) bool { return slices.Equal(p, path) }) {
			drop = append(drop, path)
		}
	}
	for _, other := range c.allForms() {
		for _, l := range leaves(other) {
			add(l.path)
			if l.isHeader() {
				add(l.sibling(otherHeader))
			}
		}
	}
	return drop
}

// allForms are the forms to write, strongest first, and those that are only read.
func (c Client) allForms() []edit.Object {
	facts := c.facts()
	var all []edit.Object
	for _, r := range Rungs() {
		if facts.forms[r] != nil {
			all = append(all, facts.forms[r])
		}
	}
	return append(all, facts.alsoReads...)
}

// leaf is a field of a form that holds no further object.
type leaf struct {
	path  []string
	value any
}

// otherHeader is where the service takes a key as well.
const otherHeader = "X-API-Key"

func (l leaf) isHeader() bool { return l.path[len(l.path)-1] == "Authorization" }

func (l leaf) sibling(name string) []string {
	return append(slices.Clone(l.path[:len(l.path)-1]), name)
}

func leaves(form edit.Object) []leaf {
	var all []leaf
	for _, f := range form {
		inner, ok := f.Value.(edit.Object)
		if !ok {
			all = append(all, leaf{path: []string{f.Name}, value: f.Value})
			continue
		}
		for _, l := range leaves(inner) {
			l.path = append([]string{f.Name}, l.path...)
			all = append(all, l)
		}
	}
	return all
}
