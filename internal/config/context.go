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

	"github.com/keyfob/keyfob/internal/atomicfile"
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
}

// CheckName says why a string can't name a context: it becomes a file's name.
func CheckName(name string) error {
	if regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`).MatchString(name) {
		return nil
	}
	return &Error{
		Msg:  fmt.Sprintf("%q can't name a context", name),
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
			Hint: "sign in with `keyfob auth login --with-token`, or start a local service with `keyfob quickstart`", err: err,
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
	return write(contextPath(dir, c.Name), append(doc, '\n'))
}

// UseContext makes a context the current one; it must exist.
func UseContext(dir, name string) error {
	if _, err := ReadContext(dir, name); err != nil {
		return err
	}
	return write(currentPath(dir), []byte(name+"\n"))
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

func write(path string, doc []byte) error {
	if err := atomicfile.Write(path, doc, 0o600); err != nil {
		return &Error{Msg: fmt.Sprintf("%s can't be written: %s", path, oneLine(err)), Hint: "set KEYFOB_CONFIG_DIR to a folder you can write", err: err}
	}
	return nil
}

func contextPath(dir, name string) string { return filepath.Join(dir, "contexts", name+".json") }

func currentPath(dir string) string { return filepath.Join(dir, "current-context") }
