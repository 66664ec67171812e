package mcpclient

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// Scope is whom a file serves.
type Scope string

// The scopes.
const (
	ScopeUser    Scope = "user"    // the person, in every folder
	ScopeProject Scope = "project" // whoever works in one folder, often through version control
)

// Scopes returns all scopes.
func Scopes() []Scope { return []Scope{ScopeUser, ScopeProject} }

// Where is the machine as paths depend on it. No call of the package reads anything but through it.
type Where struct {
	GOOS     string
	Env      func(string) string
	Dir      string                 // the project's folder, absolute; empty: there is no project
	Exists   func(path string) bool // a file or folder is there
	LookPath func(name string) (string, error)

	wsl bool // the Windows side of WSL: paths of Windows, written as Linux has them
}

// Target is one file of a client on this machine.
type Target struct {
	Client string
	Scope  Scope
	Path   string
	Format edit.Format
	Place  edit.Place
	// Head is what a file made anew needs beside the entries.
	Head edit.Object
	// Old is a place that the client has left: looked into, not written.
	Old bool
	// Foreign is a file on the Windows side of WSL. What reads it can't run a command of this side, so RungHelper and
	// RungProxy are refused.
	Foreign bool

	windows bool
}

// file is a configuration file as a table has it.
type file struct {
	scope  Scope
	at     paths
	format edit.Format
	place  edit.Place
	head   edit.Object
	old    bool
	inner  bool // place.Path has projectMark for the project's folder
}

// paths are the templates of one place. Each list is in order: the first template that has what it needs is the path. A
// template begins with / or ~/ (the home folder), ./ (the project) or $NAME (a variable, set to an absolute path).
// A list for an OS stands in for all; without either there is no such place on the OS.
type paths struct{ all, linux, mac, windows []string }

// projectMark stands in a Place for the project's folder.
const projectMark = "<project>"

func in(templates ...string) paths { return paths{all: templates} }

// inConfig is a place below the XDG configuration folder, which some programs use on every OS.
func inConfig(rest string) paths { return in("$XDG_CONFIG_HOME/"+rest, "~/.config/"+rest) }

// inAppData is a place below the OS's own folder for the settings of applications.
func inAppData(rest string) paths {
	return paths{
		linux:   []string{"$XDG_CONFIG_HOME/" + rest, "~/.config/" + rest},
		mac:     []string{"~/Library/Application Support/" + rest},
		windows: []string{"$APPDATA/" + rest, "~/AppData/Roaming/" + rest},
	}
}

// on returns the templates for the OS.
func (p paths) on(goos string) []string {
	own := p.linux
	switch goos {
	case "darwin":
		own = p.mac
	case "windows":
		own = p.windows
	}
	if own != nil {
		return own
	}
	return p.all
}

// resolve returns the paths of those templates that have what they need.
func (w Where) resolve(p paths) []string {
	var found []string
	for _, template := range p.on(w.GOOS) {
		if path := w.expand(template); path != "" && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	return found
}

func (w Where) expand(template string) string {
	if strings.HasPrefix(template, "/") {
		return template
	}
	start, rest, _ := strings.Cut(template, "/")
	base := ""
	switch {
	case start == "~":
		base = w.home()
	case start == ".":
		base = w.Dir
	case strings.HasPrefix(start, "$"):
		base = w.Env(start[1:])
	}
	if !w.isAbs(base) { // the XDG specification has a relative path ignored, and against what would others be?
		return ""
	}
	if rest == "" {
		return base
	}
	slash := "/"
	if w.GOOS == "windows" && !w.wsl {
		slash = `\`
	}
	return strings.TrimRight(base, `/\`) + slash + strings.ReplaceAll(rest, "/", slash)
}

func (w Where) isAbs(path string) bool {
	if w.GOOS != "windows" || w.wsl {
		return strings.HasPrefix(path, "/")
	}
	return strings.HasPrefix(path, `\\`) || len(path) > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/')
}

func (w Where) home() string {
	if w.GOOS != "windows" {
		return w.Env("HOME")
	}
	if home := w.Env("USERPROFILE"); home != "" {
		return home
	}
	return w.Env("HOMEDRIVE") + w.Env("HOMEPATH")
}

// windowsSide returns the Windows side of WSL. PATH tells the user's folder there, since WSL appends Windows' own PATH.
func (w Where) windowsSide() (Where, bool) {
	if w.GOOS != "linux" || w.Env("WSL_DISTRO_NAME") == "" {
		return Where{}, false
	}
	for dir := range strings.SplitSeq(w.Env("PATH"), ":") {
		home, _, ok := strings.Cut(dir, "/AppData/")
		if parts := strings.Split(home, "/"); !ok || len(parts) != 5 || parts[1] != "mnt" || !strings.EqualFold(parts[3], "users") {
			continue
		}
		side := w
		side.GOOS, side.wsl = "windows", true
		side.Env = func(name string) string {
			switch name {
			case "USERPROFILE":
				return home
			case "APPDATA":
				return home + "/AppData/Roaming"
			case "LOCALAPPDATA":
				return home + "/AppData/Local"
			}
			return ""
		}
		return side, true
	}
	return Where{}, false
}

// Targets returns the files of the scope that an entry can be written to. The first is the one to write: files that exist
// come first, then those whose folder does, each in the client's own order. There is none where the client has no file of the
// scope on this OS.
func (c Client) Targets(w Where, s Scope) []Target {
	var found []Target
	for _, f := range c.facts().files {
		if f.scope != s || f.old {
			continue
		}
		for _, side := range c.sides(w, f) {
			if at := side.resolve(f.at); len(at) > 0 {
				found = append(found, side.target(c, f, at[0]))
			}
		}
	}
	found = onePerPath(found)
	slices.SortStableFunc(found, func(a, b Target) int { return cmp.Compare(w.absence(a.Path), w.absence(b.Path)) })
	return found
}

// Known returns every file of the client that may hold an entry: those of Targets for each scope, what a variable that is
// set now hides, and places that the client has left.
func (c Client) Known(w Where) []Target {
	var found []Target
	for _, f := range c.facts().files {
		for _, side := range c.sides(w, f) {
			for _, path := range side.resolve(f.at) {
				if f.inner && w.Dir == "" {
					continue
				}
				found = append(found, side.target(c, f, path))
			}
		}
	}
	return onePerPath(found)
}

// sides are this machine and, for the person's files of a program with windows, the Windows side of WSL.
func (c Client) sides(w Where, f file) []Where {
	if other, ok := w.windowsSide(); ok && c.facts().desktop && f.scope == ScopeUser {
		return []Where{w, other}
	}
	return []Where{w}
}

func (w Where) target(c Client, f file, path string) Target {
	place := f.place
	if f.inner {
		place.Path = slices.Clone(place.Path)
		place.Path[slices.Index(place.Path, projectMark)] = w.Dir
	}
	return Target{
		Client: c.ID, Scope: f.scope, Path: path, Format: f.format, Place: place, Head: f.head, Old: f.old,
		Foreign: w.wsl, windows: w.GOOS == "windows",
	}
}

// onePerPath keeps the first of what stands at the same place of the same file.
func onePerPath(targets []Target) []Target {
	var kept []Target
	for _, t := range targets {
		if !slices.ContainsFunc(kept, func(k Target) bool { return k.Path == t.Path && slices.Equal(k.Place.Path, t.Place.Path) }) {
			kept = append(kept, t)
		}
	}
	return kept
}

// absence is 0 for a file that is there, 1 where its folder is, else 2.
func (w Where) absence(path string) int {
	if w.Exists(path) {
		return 0
	}
	if i := strings.LastIndexAny(path, `/\`); i > 0 && w.Exists(path[:i]) {
		return 1
	}
	return 2
}

// Detect says whether the client seems to be on this machine, and what shows it, such as "claude on PATH" or
// "~/.cursor exists". It starts nothing.
func (c Client) Detect(w Where) (how string, found bool) {
	facts := c.facts()
	for _, name := range facts.programs {
		if _, err := w.LookPath(name); err == nil {
			return name + " on PATH", true
		}
	}
	sides := []Where{w}
	if other, ok := w.windowsSide(); ok && facts.desktop {
		sides = append(sides, other)
	}
	for _, side := range sides {
		for _, sign := range facts.signs {
			for _, path := range side.resolve(sign) {
				if w.Exists(path) {
					return w.Short(path) + " exists", true
				}
			}
		}
	}
	return "", false
}

// Short writes the home folder as ~. It looks at GOOS and Env alone.
func (w Where) Short(path string) string {
	if rest, ok := strings.CutPrefix(path, w.home()); ok && w.home() != "" && rest != "" && (rest[0] == '/' || rest[0] == '\\') {
		return "~" + rest
	}
	return path
}
