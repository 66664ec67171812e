// Package mcpconnect puts a hosted MCP server into the files of AI clients, remembers what it wrote, and takes it out again.
// It chooses the file and the way in which each client gets the key, changes all files or none, and tells what stands where.
//
// What a client's file looks like is internal/mcpclient's, how it is edited internal/mcpclient/edit's, and how files are
// replaced internal/userfile's. The package must not know the service, the commands, or where a key came from.
package mcpconnect

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Connector works on one user's clients on one machine.
type Connector struct {
	Where mcpclient.Where
	Now   func() time.Time
	// Dir is the folder for the journal, the copies and the list of connections; absolute.
	Dir string
	// Output runs a program in a folder and returns its stdout. It is asked for the version of a client, and for what git
	// knows of a file.
	Output func(ctx context.Context, dir string, argv ...string) ([]byte, error)
}

// Want is a client that is to be connected.
type Want struct {
	Client mcpclient.Client
	Key    Key
	// Helper prints the key's headers, and Proxy speaks stdio with the server: argv, the program as an absolute path.
	Helper, Proxy []string
}

// Key is the key that a client gets.
type Key struct {
	ID, Name string
	Secret   secret.Secret
	Minted   bool // it was made for this client alone
}

// Request is what to connect.
type Request struct {
	Wants []Want
	Scope mcpclient.Scope
	// Name and URL are the server's. Named says that the user chose the name.
	Name, URL string
	Named     bool
	// Rung is the only one that will do; empty: the strongest that the client has.
	Rung mcpclient.Rung
	// EnvVar is the variable of RungEnv.
	EnvVar string
}

// The outcomes of a Step.
const (
	Added     = "added"
	Updated   = "updated"
	Unchanged = "unchanged"
	Removed   = "removed"
	Gone      = "gone" // somebody else had taken it out
)

// Step is what is done, or would be, for one client in one file. It holds no secret.
type Step struct {
	Client   string          `json:"client"`
	Scope    mcpclient.Scope `json:"scope"`
	Path     string          `json:"path"`
	Name     string          `json:"name"` // of the entry
	Rung     mcpclient.Rung  `json:"rung,omitempty"`
	KeyID    string          `json:"key_id,omitempty"`
	Outcome  string          `json:"outcome"`
	Diff     string          `json:"diff,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	After    string          `json:"after,omitempty"` // what a person has to do yet

	minted bool
}

// Minted says that the key was made for the connection alone.
func (s Step) Minted() bool { return s.minted }

// Why a client can't be connected. An Error wraps one of them, or what the packages below said.
var (
	ErrNoFile  = errors.New("it has no file to write")
	ErrRung    = errors.New("it can't take the key in that way")
	ErrTracked = errors.New("git tracks the file")
	ErrName    = errors.New("the name is another server's")
	ErrNothing = errors.New("there is nothing to take back")
)

// Error says which client, which file and why. It never holds a part of the file.
type Error struct {
	Client string // id; may be empty
	Path   string // may be empty
	Reason string
	Hint   string
	err    error
}

// Error names the file or the client, and the reason.
func (e *Error) Error() string {
	switch {
	case e.Path != "":
		return e.Path + ": " + e.Reason
	case e.Client != "":
		return e.Client + ": " + e.Reason
	}
	return e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

func (c Connector) store() userfile.Store { return userfile.Store{Dir: c.Dir, Now: c.Now} }

// ledger is the file of the list of connections.
func (c Connector) ledger() string { return filepath.Join(c.Dir, "connections.json") }

// Copy returns where the pristine copy of a file lies.
func (c Connector) Copy(path string) string { return c.store().Copy(path) }

// fileError says of a client's file what an editor said of its text.
func fileError(client, path string, err error) error {
	var said *edit.Error
	if !errors.As(err, &said) {
		return err
	}
	hint := "the file was left alone; mend that line, or leave " + client + " out"
	if errors.Is(err, edit.ErrInternal) {
		hint = "the file was left alone; write the entry yourself: keyfob mcp connect --client " + client + " --print"
	}
	return &Error{Client: client, Path: path, Reason: said.Error(), Hint: hint, err: err}
}

func refuse(client, path string, kind error, hint, format string, args ...any) error {
	return &Error{Client: client, Path: path, Reason: fmt.Sprintf(format, args...), Hint: hint, err: kind}
}
