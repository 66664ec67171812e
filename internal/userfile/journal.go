package userfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/atomicfile"
)

// The states of a Record.
const (
	stateOpen = "open" // files are being changed
	stateDone = "done"
)

// Record is what the last Commit did.
type Record struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
	What  string    `json:"what"`
	Files []Past    `json:"files"`
}

// Past is a file as it was before the Commit.
type Past struct {
	Path    string      `json:"path"`
	Existed bool        `json:"existed"`
	Mode    fs.FileMode `json:"mode"`
	Before  string      `json:"before"` // SHA-256
	After   string      `json:"after"`
	Gone    bool        `json:"gone,omitempty"` // the Commit removed the file
	Made    []string    `json:"made,omitempty"` // folders
}

func (tx *Tx) record(what string) Record {
	r := Record{State: stateOpen, At: tx.store.Now().UTC(), What: what}
	for _, c := range tx.changes {
		sum := c.sum()
		p := Past{
			Path: c.file.Path, Existed: c.file.info != nil, Mode: c.file.Mode(),
			Before: hex.EncodeToString(c.file.sum[:]), After: hex.EncodeToString(sum[:]), Gone: c.remove,
		}
		if !c.remove {
			p.Made = missing(filepath.Dir(c.file.target))
		}
		r.Files = append(r.Files, p)
	}
	return r
}

func (s Store) journal() string { return filepath.Join(s.Dir, "journal") }

func (s Store) before(i int) string { return filepath.Join(s.journal(), strconv.Itoa(i)) }

// begin keeps the content before the change and then says that it begins: without the latter the former means nothing.
func (s Store) begin(r Record, changes []*change) error {
	if err := s.Forget(); err != nil {
		return err
	}
	for i, c := range changes {
		now, err := Read(c.file.Path)
		if err != nil {
			return err
		}
		if now.sum != c.file.sum {
			return fail(c.file.Path, ErrChanged, "run the command again")
		}
		if !now.Exists {
			continue
		}
		if err := s.note(s.before(i), now.Data); err != nil {
			return err
		}
	}
	return s.write(r)
}

func (s Store) write(r Record) error {
	doc, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the journal: %w", err)
	}
	beside := filepath.Join(s.journal(), "record.tmp")
	if err := s.note(beside, append(doc, '\n')); err != nil {
		return err
	}
	if err := os.Rename(beside, s.recordFile()); err != nil {
		return fail(s.recordFile(), err, "check the folder's owner and mode")
	}
	return nil
}

func (s Store) recordFile() string { return filepath.Join(s.journal(), "record.json") }

// note writes a file of the journal. It is not synced: the journal is for a process that dies. What a power cut leaves of it
// is known by its digests, and each of the user's files is whole without it.
func (s Store) note(path string, data []byte) error {
	err := os.MkdirAll(filepath.Dir(path), folderMode)
	if err == nil {
		err = os.WriteFile(path, data, fileMode)
	}
	if err != nil {
		return fail(path, err, "check the folder's owner, its mode and the room on its disk")
	}
	return nil
}

func (s Store) save(path string, data []byte) error {
	err := os.MkdirAll(filepath.Dir(path), folderMode)
	if err == nil {
		err = atomicfile.Write(path, data, fileMode)
	}
	if err != nil {
		return fail(path, err, "check the folder's owner, its mode and the room on its disk")
	}
	return nil
}

func (s Store) read() (Record, error) {
	path := s.recordFile()
	doc, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, fail(path, err, "check its owner and mode")
	}
	var r Record
	if !json.Valid(doc) { // what a power cut left
		return Record{}, nil
	}
	return r, json.Unmarshal(doc, &r)
}

// Last returns what the last Commit did. Its State is empty when there was none, or it was taken back.
func (tx *Tx) Last() (Record, error) { return tx.store.read() }

// Before returns the content that a file of the last Commit had before it.
func (tx *Tx) Before(r Record, path string) ([]byte, error) {
	for i, f := range r.Files {
		if f.Path != path {
			continue
		}
		if !f.Existed {
			return nil, nil
		}
		data, err := os.ReadFile(tx.store.before(i))
		if err != nil {
			return nil, fail(tx.store.before(i), err, "")
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.Before {
			return nil, fail(tx.store.before(i), errors.New("it is not what it was"), "restore the file yourself")
		}
		return data, nil
	}
	return nil, fail(path, fs.ErrNotExist, "")
}

// Untouched says that a file of the last Commit is as that left it.
func (f File) Untouched(p Past) bool {
	return f.Exists != p.Gone && (p.Gone || hex.EncodeToString(f.sum[:]) == p.After)
}

// Restore has a file of the last Commit be as it was before it.
func (tx *Tx) Restore(r Record, f File, p Past) error {
	if !p.Existed {
		tx.Remove(f, p.Made)
		return nil
	}
	data, err := tx.Before(r, p.Path)
	if err != nil {
		return err
	}
	tx.Write(f, data, How{Mode: p.Mode})
	return nil
}

// Forget drops the record of the last Commit and the contents before it.
func (s Store) Forget() error {
	// The record goes first: without it the rest means nothing.
	err := os.Remove(s.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = os.RemoveAll(s.journal())
	}
	if err != nil {
		return fail(s.journal(), err, "check the folder's owner and mode")
	}
	return nil
}

// sweep removes what a process that died left beside the files of its record and the copies. What can't be removed is only a
// file too many.
func (s Store) sweep(ctx context.Context, r Record) {
	for _, p := range r.Files {
		target, err := resolve(p.Path)
		if err != nil {
			continue
		}
		if folder, err := openLocked(ctx, filepath.Dir(target)); err == nil {
			(&change{file: File{target: target}}).sweep(filepath.Dir(target))
			_ = folder.Close()
		}
	}
	left, err := filepath.Glob(filepath.Join(s.copies(), ".tmp-*"))
	if err != nil {
		return
	}
	for _, path := range left {
		_ = os.Remove(path)
	}
}

// putBack undoes a record that was not finished, and returns the files that it put back. A file that is neither as it was
// nor as it was to become is another program's by now, and left alone.
func (s Store) putBack(ctx context.Context, r Record) (put []string, err error) {
	tx := &Tx{store: s}
	for _, p := range r.Files {
		f, readErr := Read(p.Path)
		switch {
		case readErr != nil:
			err = errors.Join(err, readErr)
		case hex.EncodeToString(f.sum[:]) == p.Before && f.Exists == p.Existed:
			removeFolders(p.Made)
		case !f.Untouched(p):
			err = errors.Join(err, fail(p.Path, ErrChanged, "look at the file: it was changed halfway through"))
		default:
			if restoreErr := tx.Restore(r, f, p); restoreErr != nil {
				err = errors.Join(err, restoreErr)
			}
		}
	}
	for _, c := range tx.changes {
		made := c.made
		if applyErr := c.apply(ctx); applyErr != nil {
			err = errors.Join(err, applyErr)
			continue
		}
		if c.remove {
			removeFolders(made)
		}
		put = append(put, c.file.Path)
	}
	return put, errors.Join(err, s.Forget())
}
