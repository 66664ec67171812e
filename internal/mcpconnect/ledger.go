package mcpconnect

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
)

// connection is an entry that Keyfob wrote, and what takes it out without a trace.
type connection struct {
	Client string          `json:"client"`
	Scope  mcpclient.Scope `json:"scope"`
	Path   string          `json:"path"`
	Format edit.Format     `json:"format"`
	Place  edit.Place      `json:"place"`
	Name   string          `json:"name"`
	URL    string          `json:"url"`
	Rung   mcpclient.Rung  `json:"rung"`
	KeyID  string          `json:"key_id"`
	Minted bool            `json:"minted,omitempty"`
	At     time.Time       `json:"at"`
	// Digest is of the entry as it was written: another one was edited by hand.
	Digest string     `json:"digest"`
	Trace  edit.Trace `json:"trace,omitzero"`
	// New says that the file was made, with Head in it, and Folders which folders for it. Else Mode is what it had.
	New     bool        `json:"new,omitempty"`
	Head    string      `json:"head,omitempty"`
	Folders []string    `json:"folders,omitempty"`
	Mode    fs.FileMode `json:"mode,omitempty"`
}

func (c connection) same(path string, place edit.Place, name string) bool {
	return c.Path == path && c.Name == name && slices.Equal(c.Place.Path, place.Path)
}

// ledger is the list of connections.
type ledger struct {
	V           int          `json:"v"`
	Connections []connection `json:"connections"`
}

const ledgerVersion = 1

func parseLedger(f userfile.File) (ledger, error) {
	l := ledger{V: ledgerVersion}
	if !f.Exists {
		return l, nil
	}
	err := json.Unmarshal(f.Data, &l)
	if err == nil && l.V != ledgerVersion {
		err = fmt.Errorf("it is of version %d", l.V)
	}
	if err != nil {
		return l, &Error{
			Path: f.Path, Reason: "the list of connections can't be read: " + err.Error(), err: err,
			Hint: "use the keyfob that wrote it, or move it away: then entries are still found, but white space may stay behind them",
		}
	}
	return l, nil
}

// find returns the connection of an entry; nil: Keyfob did not write it.
func (l *ledger) find(path string, place edit.Place, name string) *connection {
	for i := range l.Connections {
		if l.Connections[i].same(path, place, name) {
			return &l.Connections[i]
		}
	}
	return nil
}

// has says that Keyfob has written to the file.
func (l *ledger) has(path string) bool {
	return slices.ContainsFunc(l.Connections, func(c connection) bool { return c.Path == path })
}

func (l *ledger) set(c connection) {
	if old := l.find(c.Path, c.Place, c.Name); old != nil {
		*old = c
		return
	}
	l.Connections = append(l.Connections, c)
}

func (l *ledger) drop(path string, place edit.Place, name string) {
	l.Connections = slices.DeleteFunc(l.Connections, func(c connection) bool { return c.same(path, place, name) })
}

func (l *ledger) encode() ([]byte, error) {
	doc, err := json.MarshalIndent(l, "", "  ")
	return append(doc, '\n'), err
}

// digest tells one value of an entry from another. encoding/json sorts the names of a map.
func digest(value any) (string, error) {
	doc, err := json.Marshal(value)
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:]), err
}

// stage reads the ledger within a transaction; save has the transaction write it.
func (c Connector) stage(tx *userfile.Tx) (*ledger, func() error, error) {
	f, err := tx.Read(c.ledger())
	if err != nil {
		return nil, nil, err
	}
	l, err := parseLedger(f)
	if err != nil {
		return nil, nil, err
	}
	save := func() error {
		if !f.Exists && len(l.Connections) == 0 {
			return nil
		}
		doc, err := l.encode()
		if err != nil {
			return errors.New("encode the list of connections: " + err.Error())
		}
		tx.Write(f, doc, userfile.How{Private: true})
		return nil
	}
	return &l, save, nil
}
