package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/store/revoked"
	"github.com/keyfob/keyfob/internal/store/sqlite"
)

// copyTimeout bounds a backup and a restore.
const copyTimeout = time.Hour

// BackupOptions is all that backupRun needs.
type BackupOptions struct {
	DataDir string
	File    string
	Force   bool // take the place of a file that is there
	Format  cliutil.Format
	Version string

	Out    io.Writer
	ErrOut io.Writer
	Now    func() time.Time
}

// backupNote is what a backup says of itself.
type backupNote struct {
	MadeAt      time.Time        `json:"made_at"`
	Version     string           `json:"version"`
	Schema      int              `json:"schema"`
	Revocations revoked.Position `json:"revocations"` // what was revoked up to here is in the backup
}

func newCmdBackup(f *cliutil.Factory, runF func(context.Context, *BackupOptions) error) *cobra.Command {
	opts := &BackupOptions{Version: build.Version(), Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database, also while the service runs",
		Long: `Copy the database into FILE, also while the service runs: all of one moment, looked through, for you alone. FILE is there when it is
whole, or not at all.

It holds no key that opens it. Keep master.key and pepper.key in another place: who has all three has every secret. What is
revoked later is in revocations.log in the data directory; copy that file often, and give it to the restore.`,
		Example: `$ keyfobd backup /backup/keyfob.bak
$ keyfobd backup --data-dir /var/lib/keyfob --force /backup/keyfob.bak`,
		Args: cliutil.ExactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := f.Output()
			if err != nil {
				return err
			}
			opts.Format, opts.File = out.Format, args[0]
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, backupRun)
		},
	}
	dataDirFlag(cmd.Flags(), &opts.DataDir)
	cmd.Flags().BoolVar(&opts.Force, "force", false, "replace FILE if it is there")
	return cmd
}

func backupRun(ctx context.Context, opts *BackupOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	dir, err := existingDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	file, err := dir.backupFile(opts.File, opts.Force)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".part-*")
	if err != nil {
		return notWritten(file, err)
	}
	defer func() {
		if e := os.Remove(part.Name()); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := part.Close(); err != nil {
		return notWritten(file, err)
	}
	note := backupNote{MadeAt: opts.Now().UTC().Truncate(time.Second), Version: opts.Version}
	err = sqlite.Copy(ctx, dir.database(), part.Name(), func(schema int) (string, error) {
		log, err := revoked.Open(ctx, dir.file(revocationsFile), opts.Now)
		if err != nil {
			return "", err
		}
		note.Schema = schema
		if note.Revocations, err = log.Tail(ctx); err != nil {
			return "", err
		}
		text, err := json.Marshal(note)
		return string(text), err
	})
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return &cliutil.Error{
			Code: "backup-failed", Exit: cliutil.ExitFailed, Err: err,
			Message: "no backup was made: " + err.Error(), Hint: "nothing was left behind; look at the disk of " + filepath.Dir(file),
		}
	}
	info, err := os.Stat(part.Name())
	if err != nil {
		return notWritten(file, err)
	}
	if err := publish(part.Name(), file, opts.Force); err != nil {
		return err
	}
	return opts.say(file, info.Size(), note)
}

func (opts *BackupOptions) say(file string, size int64, note backupNote) error {
	if opts.Format.Structured() {
		type doc struct {
			File  string `json:"file"`
			Bytes int64  `json:"bytes"`
			backupNote
		}
		return writeObject(opts.Out, opts.Format, struct {
			Backup doc `json:"backup"`
		}{doc{file, size, note}})
	}
	_, err := fmt.Fprintf(opts.Out, "backed up to %s: %d KiB, schema %d, revocations up to %d\n", file, (size+1023)/1024, note.Schema, note.Revocations.N)
	_, err2 := fmt.Fprintf(opts.ErrOut, "a restore needs %s and %s, too, and what lies beside them with ids (%s, %s): keep them elsewhere. And %s as it is then.\n",
		masterFile, pepperFile, masterKind().named("ID"), pepperKind().named("ID"), revocationsFile)
	return errors.Join(err, err2)
}

func writeObject(out io.Writer, f cliutil.Format, doc any) error {
	return (&cliutil.Output{Format: f, IO: &cliutil.IOStreams{Out: out}}).Object(doc)
}

// existingDataDir is a data directory with a database, which is not made.
func existingDataDir(path string) (dataDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	dir := dataDir(path)
	info, err := os.Stat(dir.database())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", dir.unusable(err)
	}
	if err != nil || info.Size() == 0 {
		return "", &cliutil.Error{
			Code: "database-missing", Exit: cliutil.ExitNotFound, Err: err,
			Message: dir.database() + " is not there, or empty",
			Hint:    "name the data directory of the service with --data-dir; a service on another database is backed up by that database's own tools",
		}
	}
	return dir, nil
}

// backupFile is the absolute path of a file to write a backup to.
func (d dataDir) backupFile(path string, force bool) (string, error) {
	file, err := filepath.Abs(path)
	if err != nil || path == "" {
		return "", cliutil.UsageError("%q is no file to write to", cliutil.Printable(path))
	}
	here, err := os.Stat(filepath.Dir(file))
	if err != nil {
		return "", notWritten(file, err)
	}
	if data, err := os.Stat(string(d)); err == nil && os.SameFile(here, data) {
		e := cliutil.UsageError("%s is in the data directory, and would be lost with it", file)
		e.Hint = "write the backup to another disk"
		return "", e
	}
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return file, nil
	case err != nil:
		return "", notWritten(file, err)
	case !info.Mode().IsRegular():
		return "", cliutil.UsageError("%s is there, and no file", file)
	case !force:
		return "", fileExists(file)
	}
	return file, nil
}

func fileExists(file string) error {
	return &cliutil.Error{Code: "file-exists", Exit: cliutil.ExitConflict, Message: file + " is there already", Hint: "choose another name, or replace it with --force"}
}

func notWritten(file string, err error) error {
	reason := err.Error()
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err.Error()
	}
	return &cliutil.Error{Code: "file-not-written", Exit: cliutil.ExitFailed, Err: err, Message: fmt.Sprintf("%s can't be written: %s", file, reason), Hint: "choose a folder that you can write to"}
}

// publish gives a complete file its name. Without force it takes no other file's place, whoever made it meanwhile.
func publish(part, file string, force bool) error {
	if err := syncPath(part); err != nil {
		return notWritten(file, err)
	}
	if !force {
		err := os.Link(part, file)
		switch {
		case errors.Is(err, fs.ErrExist):
			return fileExists(file)
		case err == nil:
			return errors.Join(os.Remove(part), syncPath(filepath.Dir(file)))
		}
		if _, err := os.Lstat(file); err == nil { // the file system knows no links
			return fileExists(file)
		}
	}
	if err := os.Rename(part, file); err != nil {
		return notWritten(file, err)
	}
	return syncPath(filepath.Dir(file))
}

// syncPath makes a file or a folder survive a power cut; Windows can't sync folders.
func syncPath(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() && runtime.GOOS == "windows" {
		return err
	}
	mode := os.O_RDWR
	if info.IsDir() {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
