package edit

import (
	"bytes"
	"fmt"
	"slices"
)

// Result is what Put did.
type Result struct {
	Data    []byte
	Added   bool // the entry is new
	Changed bool // Data is not what was given
	Trace   Trace
}

// Trace is what Remove needs to give back the bytes as they were before Put added an entry: the white space and punctuation
// round the entry, and no text of it. Only the Result of the Put that added the entry has one.
type Trace struct {
	Before  string `json:"before,omitempty"`  // what was put ahead of the entry
	After   string `json:"after,omitempty"`   // what was put behind it
	Was     string `json:"was,omitempty"`     // what stood in place of all three
	Created int    `json:"created,omitempty"` // how many containers on the path came with the entry, innermost first
	Whole   bool   `json:"whole,omitempty"`   // there was no document
}

// A document is a text that has been read, as each format must be able to edit it. It has no byte order mark.
type document interface {
	// entries lists all servers.
	entries() ([]Entry, error)
	// entry is the value of the one entry the document was read for.
	entry() (value any, found bool, err error)
	// put sets the fields of the entry, or adds it.
	put(entry Object) (out []byte, trace Trace, added bool, err error)
	// drop removes the value at path within the entry, and mappings that this leaves empty.
	drop(path []string) ([]byte, error)
	// remove takes the entry out; found is false where there is none.
	remove(trace Trace) (out []byte, found bool, err error)
	// outside sums up all that is not the entry, in order, so that two texts can be compared.
	outside(d *digest)
}

// target is the entry that a document is read for.
type target struct {
	Place
	name  string
	all   bool     // all entries
	above []string // what leads to where Path begins, for messages
}

func read(f Format, data []byte, to target) (document, error) {
	switch f {
	case TOML:
		return readTOML(data, to)
	case YAML:
		return readYAML(data, to)
	case JSON, JSONC:
		return readJSON(data, f == JSONC, to)
	default:
		return nil, &Error{Kind: ErrShape, Reason: fmt.Sprintf("unknown format %q", f)}
	}
}

// Entries lists the servers of a file, in the file's order. An empty file, or one without the place, has none.
func Entries(f Format, data []byte, at Place) (list []Entry, err error) {
	defer caught(&err)
	to := target{Place: at, all: true}
	_, text, err := open(data, to)
	if err != nil {
		return nil, err
	}
	doc, err := read(f, text, to)
	if err != nil {
		return nil, err
	}
	return doc.entries()
}

// Put adds the entry called name, or updates it in place. Fields of entry are set where they differ, nested Objects field by
// field, so that what the user added stays, in its order and with its comments. The paths in drop are removed from an entry
// that is there already; a mapping which that leaves empty goes too.
//
// What Put accepts, Remove undoes byte for byte. What it can't edit safely it refuses with an *Error.
func Put(f Format, data []byte, at Place, name string, entry Object, drop ...[]string) (res Result, err error) {
	defer caught(&err)
	to := target{Place: at, name: name}
	mark, text, err := open(data, to)
	if err != nil {
		return Result{}, err
	}
	if entry, err = to.check(entry); err != nil {
		return Result{}, err
	}
	doc, err := read(f, text, to)
	if err != nil {
		return Result{}, err
	}
	out, trace, added, err := doc.put(entry)
	if err != nil {
		return Result{}, err
	}
	if !added {
		if out, err = dropAll(f, out, to, entry, drop); err != nil {
			return Result{}, err
		}
	}
	if bytes.Equal(out, text) {
		return Result{Data: data}, nil
	}
	if err := checkPut(f, doc, text, out, to, entry, added, trace); err != nil {
		return Result{}, err
	}
	return Result{Data: slices.Concat(mark, out), Added: added, Changed: true, Trace: trace}, nil
}

func dropAll(f Format, data []byte, to target, entry Object, drop [][]string) ([]byte, error) {
	for _, path := range drop {
		if len(path) == 0 || entry.has(path) {
			continue
		}
		doc, err := read(f, data, to)
		if err != nil {
			return nil, errInternal("the file could not be read any more")
		}
		if data, err = doc.drop(path); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// checkPut compares a text with what Put made of it.
func checkPut(f Format, doc document, before, after []byte, to target, entry Object, added bool, trace Trace) error {
	if len(after) > maxSize {
		return &Error{Kind: ErrTooLarge, Reason: "the file would be larger than 10 MiB"}
	}
	made, err := read(f, after, to)
	if err != nil {
		return errInternal("the file could not be read any more")
	}
	if err := sameOutside(doc, made); err != nil {
		return err
	}
	if value, found, err := made.entry(); err != nil || !found || !holds(value, entry) {
		return errInternal("the entry would not read as it should")
	}
	if added {
		back, found, err := made.remove(trace)
		if err != nil || !found || !bytes.Equal(back, before) {
			return errInternal("the entry could not be taken out again")
		}
	}
	return nil
}

// Remove takes out exactly the entry called name, with the comma, the line and the containers that Put brought along
// according to trace. With the zero Trace it removes the entry only and leaves its container, even if empty.
func Remove(f Format, data []byte, at Place, name string, trace Trace) (out []byte, found bool, err error) {
	defer caught(&err)
	to := target{Place: at, name: name}
	mark, text, err := open(data, to)
	if err != nil {
		return nil, false, err
	}
	doc, err := read(f, text, to)
	if err != nil {
		return nil, false, err
	}
	cut, found, err := doc.remove(trace)
	if err != nil {
		return nil, false, err
	}
	if !found {
		return data, false, nil
	}
	made, err := read(f, cut, to)
	if err != nil {
		return nil, false, errInternal("the file could not be read any more")
	}
	if err := sameOutside(doc, made); err != nil {
		return nil, false, err
	}
	if _, still, err := made.entry(); err != nil || still {
		return nil, false, errInternal("the entry would still be there")
	}
	return slices.Concat(mark, cut), true, nil
}
