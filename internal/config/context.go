package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Context is a named service, organisation and user on this machine. Each lies in a file of its own,
// contexts/NAME.json, that Keyfob alone writes; the user's config.yaml is never rewritten.
type Context struct {
	Name string `json:"-"`
	// URL is the service's origin.
	URL string `json:"url"`
	// Org is the organisation's slug.
	Org string `json:"org,omitempty"`
	// User is the user's name, for people.
	User string `json:"user,omitempty"`
	// LocalDir is the data folder of a service on this machine; its session lies there too. Empty for all others.
	LocalDir string `json:"local_dir,omitempty"`
	// Store is the kind of place where the session is kept, as internal/credentials names it; empty: the OS keyring. Helper is
	// the program of the kind "helper".
	Store  string `json:"credential_store,omitempty"`
	Helper string `json:"credential_helper,omitempty"`
}

// CheckName says why a string can't name a context: it becomes a file's name.
func CheckName(name string) error {
	if regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`).MatchString(name) {
		return nil
	}
	return &Error{
		Usage: true, Msg: fmt.Sprintf("%q can't name a context", name),
		Hint: "use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit",
	}
}

// ReadContext reads a context.
func ReadContext(dir, name string) (*Context, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	path := contextPath(dir, name)
	doc, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{
			Msg: fmt.Sprintf("there is no context %q", name), Missing: true,
			Hint: "sign in with `keyfob auth login --url URL`, or start a local service with `keyfob quickstart`", err: err,
		}
	}
	if err != nil {
		return nil, &Error{Msg: "the context can't be read: " + oneLine(err), err: err}
	}
	c := Context{Name: name}
	if err := json.Unmarshal(doc, &c); err != nil || c.URL == "" {
		return nil, &Error{
			Msg:  fmt.Sprintf("the context file %s is damaged", path),
			Hint: "move it away and sign in again", err: err,
		}
	}
	return &c, nil
}

// ContextNames returns the names of the contexts, sorted.
func ContextNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "contexts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Msg: "the contexts can't be read: " + oneLine(err), err: err}
	}
	var names []string
	for _, e := range entries {
		name, isContext := strings.CutSuffix(e.Name(), ".json")
		if isContext && e.Type().IsRegular() && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// WriteContext writes a context.
func WriteContext(dir string, c Context) error {
	if err := CheckName(c.Name); err != nil {
		return err
	}
	if err := ensureDir(filepath.Join(dir, "contexts")); err != nil {
		return err
	}
	doc, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(contextPath(dir, c.Name), append(doc, '\n'), 0o600)
}

// UseContext makes a context the current one; it must exist.
func UseContext(dir, name string) error {
	if _, err := ReadContext(dir, name); err != nil {
		return err
	}
	return writeFile(currentPath(dir), []byte(name+"\n"), 0o600)
}

// Current returns the name of the current context; empty: there is none.
func Current(dir string) (string, error) {
	name, err := os.ReadFile(currentPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", &Error{Msg: "the current context can't be read: " + oneLine(err), err: err}
	}
	return strings.TrimSpace(string(name)), nil
}

func contextPath(dir, name string) string { return filepath.Join(dir, "contexts", name+".json") }

func currentPath(dir string) string { return filepath.Join(dir, "current-context") }
