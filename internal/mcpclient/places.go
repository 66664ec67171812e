package mcpclient

import (
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// Place is a file of a client as a person finds it: for each OS where they differ, and what moves it.
type Place struct {
	Scope     Scope
	Path      string
	Format    edit.Format
	Variables []string // names
}

// Places returns the files that an entry can be written to, for a manual; Targets has those of a machine.
func (c Client) Places() []Place {
	var all []Place
	for _, f := range c.facts().files {
		if !f.old {
			all = append(all, Place{Scope: f.scope, Path: f.at.shown(), Format: f.format, Variables: f.at.variables()})
		}
	}
	return all
}

// variables are those that a person may set, in order; APPDATA and its like are Windows' own.
func (p paths) variables() []string {
	var names []string
	for _, template := range slices.Concat(p.all, p.linux, p.mac) {
		name, _, _ := strings.Cut(template, "/")
		if name, ok := strings.CutPrefix(name, "$"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
