package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/atomicfile"
	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
)

// RotateMasterKeyOptions is all that rotateMasterKeyRun needs.
type RotateMasterKeyOptions struct {
	DataDir string

	Out    io.Writer
	ErrOut io.Writer // the log
	Now    func() time.Time
}

func newCmdRotateMasterKey(f *cliutil.Factory, runF func(context.Context, *RotateMasterKeyOptions) error) *cobra.Command {
	opts := &RotateMasterKeyOptions{Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "rotate-master-key",
		Short: "Put a new master key in the old one's place, also while the service runs",
		Long: `Put a new master key in the old one's place, also while the service runs: the data key of each organisation is wrapped anew. No
secret of a key changes. A run that was stopped is finished by the next.

The old key is kept beside the new one, in a file with its id: backups from before need it. Copy master.key to where you keep it.`,
		Example: "$ keyfob serve rotate-master-key --data-dir /var/lib/keyfob",
		Args:    cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, rotateMasterKeyRun)
		},
	}
	cmd.Flags().StringVar(&opts.DataDir, "data-dir", "", "`FOLDER` of the data (default $XDG_DATA_HOME/keyfob)")
	return cmd
}

func rotateMasterKeyRun(ctx context.Context, opts *RotateMasterKeyOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	dir, err := existingDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	lock := flock.New(dir.file(masterFile+".lock"), flock.SetPermissions(0o600))
	if held, err := lock.TryLock(); err != nil || !held {
		return &cliutil.Error{
			Code: "rotation-runs", Exit: cliutil.ExitConflict, Err: err,
			Message: "the master key of " + string(dir) + " is being rotated", Hint: "wait for the other run",
		}
	}
	defer func() { err = errors.Join(err, lock.Close(), os.Remove(lock.Path())) }()
	log := slog.New(slog.NewTextHandler(opts.ErrOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	d, err := openDomain(ctx, dir, "", core.Config{Passwords: true, Brief: true, Now: opts.Now, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	r := &masterRotation{dir: dir, core: d.core}
	for _, step := range r.steps() {
		if err := step(ctx); err != nil {
			return fmt.Errorf("rotate the master key: %w", err)
		}
	}
	_, err = fmt.Fprintf(opts.Out, "the master key is %s now, in %s: copy it to where you keep it; %d data keys were wrapped anew\n"+
		"the one before stays in %s: backups from before need it\n", r.newest, dir.file(masterFile), r.wrapped, dir.file(masterNamed(r.old)))
	return err
}

// masterRotation is a rotation of the master key. After each of its steps everything opens, for a service that runs and for one that
// starts, and each can be taken again.
type masterRotation struct {
	dir     dataDir
	core    *core.Service
	newest  string // id
	old     string // likewise
	wrapped int
}

func (r *masterRotation) steps() []func(context.Context) error {
	return []func(context.Context) error{r.begin, r.wrap, r.install, r.core.DropMasterKeys}
}

// begin makes the new key and has the store use it, unless an earlier run did. The key's file is there first.
func (r *masterRotation) begin(ctx context.Context) error {
	newest, older, err := r.core.MasterKeys(ctx)
	if err != nil {
		return err
	}
	if older != "" {
		r.newest, r.old = newest, older
		return nil
	}
	r.old = newest
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: crypto/rand crashes the program rather than return an error
	r.newest = core.MasterKeyID(key)
	if err := r.dir.writeKey(masterNamed(r.newest), key); err != nil {
		return err
	}
	return r.core.AddMasterKey(ctx, key)
}

func (r *masterRotation) wrap(ctx context.Context) (err error) {
	r.wrapped, err = r.core.Rewrap(ctx)
	return err
}

// install gives the new key the name master.key, too. The old one gets its own name before, and none is taken from a key: who reads
// master.key first and then the others finds both, whenever that is.
func (r *masterRotation) install(context.Context) error {
	current, err := r.dir.readKey(masterFile)
	if err != nil {
		return err
	}
	if id := core.MasterKeyID(current); id != r.newest {
		if err := r.dir.writeKey(masterNamed(id), current); err != nil {
			return err
		}
		key, err := r.dir.readKey(masterNamed(r.newest))
		if err != nil {
			return err
		}
		return r.dir.writeKey(masterFile, key)
	}
	return nil
}

// masterNamed is the file of one master key; the one in use is in master.key, too.
func masterNamed(id string) string { return "master-" + id + ".key" }

func (d dataDir) writeKey(name string, key [32]byte) error {
	if err := atomicfile.Write(d.file(name), []byte(hex.EncodeToString(key[:])+"\n"), 0o600); err != nil {
		return d.unusable(err)
	}
	return nil
}

// otherMasters reads the master keys that have a file of their own.
func (d dataDir) otherMasters() (keys [][32]byte, err error) {
	paths, err := filepath.Glob(d.file(masterNamed("*")))
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
