package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store/revoked"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

// doctor looks through a data directory.
type doctor struct {
	dir dataDir
	now func() time.Time

	db         *sqlite.Inspected // nil: it can't be opened, or read
	inspection core.Inspection
	inspected  error
}

func (d *doctor) examine(ctx context.Context) []finding {
	found := []finding{d.modes(), d.schema(ctx)}
	if d.db != nil {
		defer func() { _ = d.db.Close() }() // it was read
		found = append(found, d.integrity(ctx), d.settings(ctx))
		if d.db.Schema >= d.db.Known {
			found = append(found, d.material(ctx), d.peppers(ctx), d.sealed())
		}
	}
	return append(found, d.clock(), d.space(), d.revocations(), d.leftovers())
}

func ok(check, format string, args ...any) finding {
	return finding{Check: check, Status: checkOK, Detail: fmt.Sprintf(format, args...)}
}

// bad is a check that did not end well.
func bad(check, status, fix, format string, args ...any) finding {
	return finding{Check: check, Status: status, Detail: cliutil.Printable(fmt.Sprintf(format, args...)), Fix: fix}
}

// mend is what to do about err: what can't be looked at is not damaged, and nothing must be restored or moved away for it.
func mend(err error, damaged string) string {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, sqlite.ErrNoAccess) {
		return asItsUser
	}
	return damaged
}

func (d *doctor) modes() finding {
	const check = "access"
	names := []string{"", databaseFile, databaseFile + "-wal", databaseFile + "-shm", masterFile, pepperFile, revocationsFile}
	for _, pattern := range kindFiles() {
		paths, err := filepath.Glob(d.dir.file(pattern))
		if err != nil {
			return bad(check, checkFail, "name the data directory with --data-dir", "%s", err)
		}
		for _, path := range paths {
			names = append(names, filepath.Base(path))
		}
	}
	for _, name := range names {
		path := d.dir.file(name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && name != "" {
			continue // what must be there is looked for by other checks
		}
		if err != nil {
			return bad(check, checkFail, mend(err, "name the data directory with --data-dir"), "%s", err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			return bad(check, checkFail, "chmod go= "+path, "%s is open to others (mode %04o)", path, info.Mode().Perm())
		}
	}
	return ok(check, "%s is for its owner alone", d.dir)
}

func (d *doctor) schema(ctx context.Context) finding {
	const check = "schema"
	db, err := sqlite.Inspect(ctx, d.dir.database())
	if err != nil {
		return bad(check, checkFail, mend(err, "restore a backup: keyfobd restore FILE"), "%s", err)
	}
	d.db = db
	if db.Schema < db.Known {
		return bad(check, checkWarn, "the next start of the service brings it up to date; make a backup before", "%d, this program's is %d", db.Schema, db.Known)
	}
	return ok(check, "%d", db.Schema)
}

func (d *doctor) integrity(ctx context.Context) finding {
	if err := d.db.Sound(ctx); err != nil {
		return bad("integrity", checkFail, "restore a backup: keyfobd restore FILE", "%s", err)
	}
	return ok("integrity", "every page and reference is sound")
}

func (d *doctor) settings(ctx context.Context) finding {
	if err := d.db.Settings(ctx); err != nil {
		return bad("settings", checkFail, "keep the database on a local disk, and start the service", "%s", err)
	}
	return ok("settings", "write-ahead log, every commit synced")
}

func (d *doctor) material(ctx context.Context) finding {
	const check, fix = "keys", "put master.key and pepper.key back from where you keep them"
	m := core.Material{}
	for name, into := range map[string]*[32]byte{masterFile: &m.MasterKey, pepperFile: &m.Pepper} {
		key, err := d.dir.parseKey(name)
		if err != nil {
			d.inspected = err
			return bad(check, checkFail, mend(err, fix), "%s: %s", name, err)
		}
		*into = key
	}
	if m.Others, d.inspected = d.dir.others(masterKind()); d.inspected != nil {
		return bad(check, checkFail, mend(d.inspected, fix), "%s", d.inspected)
	}
	if m.OtherPeppers, d.inspected = d.dir.others(pepperKind()); d.inspected != nil {
		return bad(check, checkFail, mend(d.inspected, fix), "%s", d.inspected)
	}
	d.inspection, d.inspected = core.Inspect(ctx, d.db, m)
	if missing, ok := errors.AsType[*core.MissingMaterial](d.inspected); ok {
		missing.Where = d.dir.where(missing.Kind, missing.ID)
	}
	if d.inspected != nil {
		return bad(check, checkFail, fix, "%s", d.inspected)
	}
	if d.inspection.Unknown {
		return bad(check, checkWarn, "start the service", "the database was made under none yet")
	}
	return ok(check, "%s and %s are the database's", masterFile, pepperFile)
}

// peppers says which the database needs. Those that are not there were told of by material.
func (d *doctor) peppers(ctx context.Context) finding {
	const check = "peppers"
	if d.inspected != nil || d.inspection.Unknown {
		return bad(check, checkWarn, "see keys", "which are needed is not known")
	}
	all, err := core.InspectPeppers(ctx, d.db, d.now())
	if err != nil {
		return bad(check, checkFail, "restore a backup: keyfobd restore FILE", "%s", err)
	}
	needs := []string{all[0].ID}
	for _, p := range all[1:] {
		needs = append(needs, older(p, d.now()))
	}
	return ok(check, "the database needs %s; the files are there", strings.Join(needs, ", and "))
}

func (d *doctor) sealed() finding {
	const check = "secrets"
	if d.inspected != nil {
		return bad(check, checkFail, "see keys", "none can be opened")
	}
	if faults := d.inspection.Faults; len(faults) > 0 {
		return bad(check, checkFail, "restore a backup, or rotate those keys", "%s", errors.Join(faults...))
	}
	return ok(check, "%d organisations, %d sealed secrets of their newest keys open", d.inspection.Orgs, d.inspection.Opened)
}

func (d *doctor) clock() finding {
	const check, fix = "clock", "set the clock: sessions and keys expire by it"
	now := d.now()
	if err := checkClock(now); err != nil {
		return bad(check, checkFail, fix, "%s", err)
	}
	if newest := d.inspection.Newest; newest.After(now.Add(time.Minute)) {
		return bad(check, checkFail, fix, "it says %s, but the newest event is of %s", now.UTC().Format(time.RFC3339), newest.Format(time.RFC3339))
	}
	return ok(check, "%s", now.UTC().Format(time.RFC3339))
}

func (d *doctor) space() finding {
	const check, low = "disk", 1 << 30
	free, err := freeSpace(string(d.dir))
	switch {
	case err != nil:
		return bad(check, checkWarn, "", "free space is not known: %s", err)
	case free < low/16:
		return bad(check, checkFail, "make room: nothing can be written soon", "%d MiB free", free>>20)
	case free < low:
		return bad(check, checkWarn, "make room", "%d MiB free", free>>20)
	}
	return ok(check, "%d MiB free", free>>20)
}

func (d *doctor) revocations() finding {
	const check = "revocations"
	h, err := revoked.Read(d.dir.file(revocationsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return bad(check, checkWarn, "start the service, which begins one, and make a backup", "there is no %s", revocationsFile)
	case err != nil:
		const damaged = "move it away, start the service, which begins another, and make a backup: earlier ones can't be restored safely"
		return bad(check, checkFail, mend(err, damaged), "%s", err)
	}
	return ok(check, "%d lines, whole", h.Tail().N)
}

func (d *doctor) leftovers() finding {
	const check = "leftovers"
	var left []string
	for _, pattern := range []string{".restore-*", ".key-*", ".probe-*", ".tmp-*", databaseFile + ".before-restore-*", revocationsFile + ".before-restore-*"} {
		paths, err := filepath.Glob(d.dir.file(pattern))
		if err != nil {
			return bad(check, checkWarn, "", "%s", err)
		}
		for _, p := range paths {
			left = append(left, filepath.Base(p))
		}
	}
	if len(left) > 0 {
		return bad(check, checkWarn, "remove them if nobody needs them", "%s", strings.Join(left, ", "))
	}
	return ok(check, "none")
}
