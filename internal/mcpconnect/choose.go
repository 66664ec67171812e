package mcpconnect

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
)

// spot is the file and the entry that a connection goes to.
type spot struct {
	target mcpclient.Target
	file   userfile.File
	name   string
	old    *edit.Entry // nil: there is none of that name
	warn   []string
}

// choose finds the file to write and the name of the entry. An entry for the URL that is there already is the one, whatever
// it is called and in whichever of the client's files it stands.
func (c Connector) choose(tx *userfile.Tx, client mcpclient.Client, req Request) (spot, error) {
	targets := client.Targets(c.Where, req.Scope)
	if len(targets) == 0 {
		return spot{}, refuse(client.ID, "", ErrNoFile, "keyfob mcp connect --client "+client.ID+" prints what connects it",
			"%s has no file for the %s scope that could be written", client.Title, req.Scope)
	}
	var first *spot
	for _, target := range targets {
		file, err := tx.Read(target.Path)
		if err != nil {
			return spot{}, err
		}
		entries, err := edit.Entries(target.Format, file.Data, target.Place)
		if err != nil {
			return spot{}, fileError(client.ID, target.Path, err)
		}
		at := spot{target: target, file: file, name: req.Name}
		if found := forURL(client, target, entries, req); found != nil {
			at.old, at.name = found, found.Name
			if found.Name != req.Name {
				at.warn = append(at.warn, fmt.Sprintf("the server is there already, as %q: that entry was changed", found.Name))
			}
			return at, nil
		}
		if first == nil {
			first = &at
			if i := slices.IndexFunc(entries, func(e edit.Entry) bool { return e.Name == req.Name }); i >= 0 {
				first.old = &entries[i]
			}
		}
	}
	if first.old != nil {
		return spot{}, refuse(client.ID, first.target.Path, ErrName, "choose another name with --name",
			"line %d has a server %q already, which is another one", first.old.Line, req.Name)
	}
	return *first, nil
}

// forURL returns the entry for the request's URL; of several, the one with the right name goes first. With a name that the
// user chose, no other counts.
func forURL(client mcpclient.Client, target mcpclient.Target, entries []edit.Entry, req Request) *edit.Entry {
	var found *edit.Entry
	for i, e := range entries {
		known, ok := client.Read(target, e)
		ownProxy := known.Rung == mcpclient.RungProxy && e.Name == req.Name
		if !ok || !ownProxy && !sameURL(known.URL, req.URL) {
			continue
		}
		if e.Name == req.Name {
			return &entries[i]
		}
		if found == nil && !req.Named {
			found = &entries[i]
		}
	}
	return found
}

// sameURL compares as RFC 3986 section 6.2.2 has it, as far as people differ: the case of scheme and host, default ports and a
// slash at the end.
func sameURL(a, b string) bool { return a != "" && normal(a) == normal(b) }

func normal(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	host := strings.ToLower(u.Host)
	switch strings.ToLower(u.Scheme) {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return strings.ToLower(u.Scheme) + "://" + host + strings.TrimSuffix(u.EscapedPath(), "/") + "?" + u.RawQuery
}

// auth climbs the ladder: the strongest rung that the client has, this machine can hold and nothing speaks against.
func (c Connector) auth(ctx context.Context, want Want, req Request, at *spot) (mcpclient.Auth, error) {
	rungs := want.Client.Ladder(req.Scope)
	if req.Rung != "" {
		rungs = []mcpclient.Rung{req.Rung}
	}
	all := want.Client.Rungs(req.Scope)
	if at.target.Foreign {
		all = slices.DeleteFunc(all, func(r mcpclient.Rung) bool { return r == mcpclient.RungHelper || r == mcpclient.RungProxy })
	}
	why := refuse(want.Client.ID, at.target.Path, ErrRung, "it takes: "+join(all), "%s can't take the key so", want.Client.Title)
	if req.Rung != "" {
		why = refuse(want.Client.ID, at.target.Path, ErrRung, "it takes: "+join(all), "%s can't take the key as %q", want.Client.Title, req.Rung)
	}
	for _, rung := range rungs {
		if !slices.Contains(all, rung) {
			continue
		}
		auth, err := c.take(ctx, want, req, at, rung)
		if err == nil || !errors.Is(err, ErrRung) {
			return auth, err
		}
		why = err
	}
	return mcpclient.Auth{}, why
}

// take returns the way of one rung, or why it is barred.
func (c Connector) take(ctx context.Context, want Want, req Request, at *spot, rung mcpclient.Rung) (mcpclient.Auth, error) {
	switch rung {
	case mcpclient.RungHelper:
		if len(want.Helper) == 0 {
			return unattended(want.Client, at, rung)
		}
		if why := c.tooOld(ctx, want.Client, rung); why != "" {
			at.warn = append(at.warn, why)
			return mcpclient.Auth{}, refuse(want.Client.ID, at.target.Path, ErrRung, "update it", "%s", why)
		}
		return mcpclient.Auth{Rung: rung, Helper: want.Helper}, nil
	case mcpclient.RungProxy:
		if len(want.Proxy) == 0 {
			return unattended(want.Client, at, rung)
		}
		return mcpclient.Auth{Rung: rung, Proxy: want.Proxy}, nil
	case mcpclient.RungEnv:
		return mcpclient.Auth{Rung: rung, EnvVar: req.EnvVar}, nil
	case mcpclient.RungLiteral:
	}
	if req.Scope == mcpclient.ScopeProject {
		if err := c.untracked(ctx, want.Client.ID, at.target.Path); err != nil {
			return mcpclient.Auth{}, err
		}
		at.warn = append(at.warn, "the key stands in a file of the project: keep it out of version control")
	}
	return mcpclient.Auth{Rung: mcpclient.RungLiteral, Literal: want.Key.Secret}, nil
}

// unattended refuses a rung on which the client runs this program, where that could not get at the session by itself.
func unattended(client mcpclient.Client, at *spot, rung mcpclient.Rung) (mcpclient.Auth, error) {
	return mcpclient.Auth{}, refuse(client.ID, at.target.Path, ErrRung, "sign in with `keyfob auth login`, which keeps the session in the keyring",
		"%s would run keyfob (%s), which can't get at this session by itself", client.Title, rung)
}

// tooOld says why the client's program would ignore the rung; empty: it has it, or there is no program to ask.
func (c Connector) tooOld(ctx context.Context, client mcpclient.Client, rung mcpclient.Rung) string {
	engine := client.Engine()
	if engine.Program == "" || engine.Needs[rung] == "" {
		return ""
	}
	program, err := c.Where.LookPath(engine.Program)
	if err != nil {
		return "" // an extension of an editor, say, which has the same file
	}
	version, found := c.version(ctx, engine, program)
	switch {
	case !found:
		return fmt.Sprintf("the version of %s is unknown, and before %s it can't use a header helper", client.Title, engine.Needs[rung])
	case !engine.Has(rung, version):
		return fmt.Sprintf("%s %s can't use a header helper; %s can", client.Title, version, engine.Needs[rung])
	}
	return ""
}

// version is read from how the program is installed, which costs nothing, and else asked of the program.
func (c Connector) version(ctx context.Context, engine mcpclient.Engine, program string) (string, bool) {
	if resolved, err := filepath.EvalSymlinks(program); err == nil {
		if version, found := engine.Version(resolved, readSmall); found {
			return version, true
		}
	}
	out, err := c.Output(ctx, "", program, "--version")
	if err != nil {
		return "", false
	}
	for word := range strings.FieldsSeq(string(out)) {
		if parts := strings.Split(strings.TrimPrefix(word, "v"), "."); len(parts) == 3 {
			return strings.TrimPrefix(word, "v"), true
		}
	}
	return "", false
}

// untracked refuses a file that git tracks: what is written there would be in the next commit.
func (c Connector) untracked(ctx context.Context, client, path string) error {
	dir := existing(filepath.Dir(path), c.Where.Exists)
	if !inRepository(dir, c.Where.Exists) {
		return nil
	}
	_, err := c.Output(ctx, dir, "git", "ls-files", "--error-unmatch", "--", path)
	if err == nil {
		return refuse(client, path, ErrTracked, "leave --scope project out, or use --env VAR",
			"git tracks the file, so the key would be in the next commit")
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return nil
	}
	return refuse(client, path, ErrTracked, "leave --scope project out, or use --env VAR",
		"git can't be asked whether it tracks the file: %v", err)
}

func existing(dir string, exists func(string) bool) string {
	for !exists(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}

func inRepository(dir string, exists func(string) bool) bool {
	for {
		if exists(filepath.Join(dir, ".git")) {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
		dir = filepath.Dir(dir)
	}
}

func join(rungs []mcpclient.Rung) string {
	words := make([]string, len(rungs))
	for i, r := range rungs {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}
