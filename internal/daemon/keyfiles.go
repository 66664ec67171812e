package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/keyfob/keyfob/internal/atomicfile"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
)

// keyKind is a kind of key of which one takes another's place. Each key has a file with its id; the one in use has the file of the kind,
// too.
type keyKind struct {
	what   string // for people
	file   string
	prefix string
	id     func([32]byte) string
}

func masterKind() keyKind { return keyKind{"master key", masterFile, "master-", core.MasterKeyID} }
func pepperKind() keyKind { return keyKind{"pepper", pepperFile, "pepper-", core.PepperID} }

// named is the file of one key.
func (k keyKind) named(id string) string { return k.prefix + id + ".key" }

// next holds the id of a key that was made to take the place of the one in use, until the database names it.
func (k keyKind) next() string { return strings.TrimSuffix(k.prefix, "-") + ".next" }

// kindFiles are patterns of the files that keys have beside master.key and pepper.key.
func kindFiles() []string {
	var out []string
	for _, k := range []keyKind{masterKind(), pepperKind()} {
		out = append(out, k.named("*"), k.next())
	}
	return out
}

// where names the file of a key that a database needs.
func (d dataDir) where(kind, id string) string {
	for name, k := range map[string]keyKind{store.MaterialMasterKey: masterKind(), store.MaterialPepper: pepperKind()} {
		if name == kind {
			return fmt.Sprintf("neither is it %s nor is there %s", k.file, d.file(k.named(id)))
		}
	}
	return ""
}

func (d dataDir) writeKey(name string, key [32]byte) error {
	if err := atomicfile.Write(d.file(name), []byte(hex.EncodeToString(key[:])+"\n"), 0o600); err != nil {
		return d.unusable(err)
	}
	return nil
}

// others reads the keys of a kind that have a file of their own.
func (d dataDir) others(k keyKind) (keys [][32]byte, err error) {
	paths, err := filepath.Glob(d.file(k.named("*")))
	if err != nil {
		return nil, d.unusable(err)
	}
	for _, path := range paths {
		key, err := d.parseKey(filepath.Base(path))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// prepare returns the key that is to take the place of the newest one. It makes one and its file, unless an earlier run did, and that
// is not among the used, which have these ids. copied: replicas have that file, so that there is one.
func (d dataDir) prepare(k keyKind, copied bool, used ...string) (key [32]byte, err error) {
	text, err := os.ReadFile(d.file(k.next()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return key, d.unusable(err)
	}
	if id := strings.TrimSpace(string(text)); id != "" && !slices.Contains(used, id) {
		return d.readKey(k.named(id))
	}
	if copied {
		return key, &cliutil.Error{
			Code: "nothing-prepared", Exit: cliutil.ExitConflict,
			Message: "no " + k.what + " was made in " + string(d) + " that replicas could have a copy of",
			Hint:    "run it without --copied first, and copy the file that it names",
		}
	}
	_, _ = rand.Read(key[:]) // never fails: crypto/rand crashes the program rather than return an error
	if err := d.writeKey(k.named(k.id(key)), key); err != nil {
		return key, err
	}
	if err := atomicfile.Write(d.file(k.next()), []byte(k.id(key)+"\n"), 0o600); err != nil {
		return key, d.unusable(err)
	}
	return key, nil
}

// begun forgets what was prepared: the database names it.
func (d dataDir) begun(k keyKind) error {
	if err := os.Remove(d.file(k.next())); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.unusable(err)
	}
	return nil
}

// install gives the newest key the name of its kind. The one before gets its own name first, and none is taken from a key: who reads
// the file of the kind first and then the others finds both, whenever that is.
func (d dataDir) install(k keyKind, newest string) error {
	current, err := d.readKey(k.file)
	if err != nil || k.id(current) == newest {
		return err
	}
	if err := d.writeKey(k.named(k.id(current)), current); err != nil {
		return err
	}
	key, err := d.readKey(k.named(newest))
	if err != nil {
		return err
	}
	return d.writeKey(k.file, key)
}

// lockKeys keeps a second run from changing the keys of a kind.
func (d dataDir) lockKeys(k keyKind) (unlock func() error, err error) {
	lock := flock.New(d.file(k.file+".lock"), flock.SetPermissions(0o600))
	if held, err := lock.TryLock(); err != nil || !held {
		return nil, &cliutil.Error{
			Code: "rotation-runs", Exit: cliutil.ExitConflict, Err: err,
			Message: "the " + k.what + " of " + string(d) + " is being rotated", Hint: "wait for the other run",
		}
	}
	return func() error { return errors.Join(lock.Close(), os.Remove(lock.Path())) }, nil
}

// keysOf is the data directory with the keys of a database: that in it, or the one of the URL. copied: every replica on it has the
// file of a new key.
func keysOf(path, database string, copied bool) (dataDir, error) {
	if database == "" && copied {
		return "", cliutil.UsageError("--copied is about the replicas on a --database, and none is given")
	}
	if database == "" {
		return existingDataDir(path)
	}
	dir, err := openDataDir(path)
	if err != nil {
		return "", err
	}
	if _, err := dir.readKey(pepperFile); err != nil { // not sooner made than looked for
		return "", err
	}
	return dir, nil
}

// sayPrepared tells what to do with a key before replicas need it.
func (d dataDir) sayPrepared(k keyKind, id string) string {
	name := k.named(id)
	return fmt.Sprintf("%s is made and not in use yet: copy it to the data directory of every replica, beside %s, mode 0600;\n"+
		"then run this again with --copied: a replica without it answers nothing from then on\n", d.file(name), k.file)
}

// prepared says whether the key that was prepared last has one of these ids: it is in use.
func (d dataDir) prepared(k keyKind, used ...string) (bool, error) {
	text, err := os.ReadFile(d.file(k.next()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, d.unusable(err)
	}
	return slices.Contains(used, strings.TrimSpace(string(text))), nil
}
