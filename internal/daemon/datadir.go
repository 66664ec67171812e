package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/keyfob/keyfob/internal/atomicfile"
	"github.com/keyfob/keyfob/internal/cliutil"
)

// The files of a data directory, besides those of SQLite.
const (
	databaseFile = "keyfob.db"
	masterFile   = "master.key"
	pepperFile   = "pepper.key"
	lockFile     = "keyfobd.lock"
	serviceFile  = "service.json"

	revocationsFile = "revocations.log"
)

// dataDir is the absolute path of a directory that holds everything of one service.
type dataDir string

func (d dataDir) file(name string) string { return filepath.Join(string(d), name) }
func (d dataDir) database() string        { return d.file(databaseFile) }

// openDataDir makes the directory if it is missing and sees to it that its owner alone can enter it.
func openDataDir(path string) (dataDir, error) {
	if path == "" {
		return "", cliutil.UsageError("no data directory is given: use --data-dir")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	dir := dataDir(path)
	switch err := os.MkdirAll(path, 0o700); {
	case errors.Is(err, fs.ErrExist):
		return "", dir.unusable(errors.New("it is a link to a folder that is not there"))
	case err != nil:
		return "", dir.unusable(err)
	}
	if err := dir.tighten(); err != nil {
		return "", err
	}
	probe, err := os.CreateTemp(path, ".probe-*")
	if err != nil {
		return "", dir.unusable(err)
	}
	return dir, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// tighten takes others' access from the directory, unless it is one that people use for something else: /tmp must not
// become root's own by a wrong flag. Windows keeps access in ACLs, which modes don't show.
func (d dataDir) tighten() error {
	info, err := os.Stat(string(d))
	if err != nil {
		return d.unusable(err)
	}
	if info.Mode().Perm()&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	if d.isOurs() {
		if err = os.Chmod(string(d), 0o700); err == nil { //nolint:gosec // a directory
			return nil
		}
	}
	return &cliutil.Error{
		Code: "data-dir-exposed", Exit: cliutil.ExitFailed, Err: err,
		Message: fmt.Sprintf("the data directory %s can be entered by other users (mode %04o)", d, info.Mode().Perm()),
		Hint:    "use a directory of its own, or close it with chmod 700",
	}
}

// isOurs says that the directory is empty or already holds a service's files.
func (d dataDir) isOurs() bool {
	for _, name := range []string{masterFile, databaseFile} {
		if _, err := os.Stat(d.file(name)); err == nil {
			return true
		}
	}
	entries, err := os.ReadDir(string(d))
	return err == nil && len(entries) == 0
}

// asItsUser is what to do about files that can't be read or written.
const asItsUser = "run it as the user that the service runs as, whose the data directory and all in it must be"

// unusable says why the directory can't be used, and which of its files is in the way.
func (d dataDir) unusable(err error) error {
	reason := err.Error()
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		reason = at.Err.Error()
		if at.Path != string(d) && !strings.HasPrefix(filepath.Base(at.Path), ".") { // a file in the making has a name that says nothing
			reason = at.Path + ": " + reason
		}
	}
	hint := "choose a directory that you can write to with --data-dir"
	if errors.Is(err, fs.ErrPermission) {
		hint = asItsUser + "; or choose another with --data-dir"
	}
	return &cliutil.Error{
		Code: "data-dir-unusable", Exit: cliutil.ExitFailed, Err: err,
		Message: fmt.Sprintf("the data directory %s can't be used: %s", d, reason), Hint: hint,
	}
}

// lock takes the directory for one serving process, until unlock is called or the process ends.
func (d dataDir) lock(ctx context.Context) (unlock func() error, err error) {
	lock := flock.New(d.file(lockFile), flock.SetPermissions(0o600))
	// Programs that ask whether a service runs hold the lock for a moment: one refusal says nothing.
	wait, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch held, err := lock.TryLockContext(wait, 50*time.Millisecond); {
	case held:
		return lock.Unlock, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return nil, d.inUse()
	default:
		return nil, d.unusable(err)
	}
}

func (d dataDir) inUse() error {
	by := "another keyfobd"
	var running serviceDoc
	if doc, err := os.ReadFile(d.file(serviceFile)); err == nil && json.Unmarshal(doc, &running) == nil {
		by = fmt.Sprintf("the keyfobd at %s (process %d)", cliutil.Printable(running.URL), running.PID)
	}
	return &cliutil.Error{
		Code: "data-dir-in-use", Exit: cliutil.ExitConflict,
		Message: fmt.Sprintf("the data directory %s is served by %s", d, by),
		Hint:    "use that service, stop it, or choose another directory with --data-dir",
	}
}

// serviceDoc is service.json: where the service that holds the lock listens.
type serviceDoc struct {
	URL       string `json:"url"`
	PublicURL string `json:"public_url"`
	Listen    string `json:"listen"` // host:port for programs on this machine
	TLS       bool   `json:"tls"`    // spoken there
	PID       int    `json:"pid"`
	Version   string `json:"version"`
}

// announce writes service.json; the returned function removes it.
func (d dataDir) announce(doc serviceDoc) (remove func() error, err error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", serviceFile, err)
	}
	if err := atomicfile.Write(d.file(serviceFile), append(text, '\n'), 0o600); err != nil {
		return nil, d.unusable(err)
	}
	return func() error {
		if err := os.Remove(d.file(serviceFile)); !errors.Is(err, fs.ErrNotExist) {
			return notStopped(err)
		}
		return nil
	}, nil
}
