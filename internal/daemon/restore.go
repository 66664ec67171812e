package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// RestoreOptions is all that restoreRun needs.
type RestoreOptions struct {
	File        string
	DataDir     string
	KeysFrom    string // folder with the key files; empty: DataDir
	Revocations string // log; empty: DataDir's own
	Force       bool   // set a database that is there aside
	Accept      bool   // that what was revoked since may open again
	Format      cliutil.Format

	Out    io.Writer
	ErrOut io.Writer
	Now    func() time.Time
}

func newCmdRestore(f *cliutil.Factory, runF func(context.Context, *RestoreOptions) error) *cobra.Command {
	opts := &RestoreOptions{Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a data directory of a backup, and revoke again what was revoked since",
		Long: `Make a data directory of a backup. master.key and pepper.key must lie in it already, or in the folder that --keys-from names.

What was revoked after the backup must not open again: the log of revocations is replayed, and without one that reaches back to the
backup the restore is refused, unless --accept-resurrection is given.`,
		Example: `$ keyfobd restore /backup/keyfob.bak --data-dir /var/lib/keyfob-new --keys-from /safe/keyfob --revocations /backup/revocations.log
$ keyfobd restore /backup/keyfob.bak --data-dir /var/lib/keyfob --force`,
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
			return cliutil.Run(cmd.Context(), opts, runF, restoreRun)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.DataDir, "data-dir", "", "`FOLDER` to restore into (default $XDG_DATA_HOME/keyfob)")
	flags.StringVar(&opts.KeysFrom, "keys-from", "", "`FOLDER` with master.key and pepper.key (default: that of the data)")
	flags.StringVar(&opts.Revocations, "revocations", "", "`FILE` with what was revoked since (default: revocations.log in the folder of the data)")
	flags.BoolVar(&opts.Force, "force", false, "set a database that is there aside")
	flags.BoolVar(&opts.Accept, "accept-resurrection", false, "restore without the log: what was revoked since the backup opens again")
	return cmd
}

func restoreRun(ctx context.Context, opts *RestoreOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	file, err := filepath.Abs(opts.File)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	opts.File = file
	note, err := readNote(ctx, opts.File)
	if err != nil {
		return err
	}
	dir, err := openDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	unlock, err := dir.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	r := &restore{opts: opts, dir: dir, note: note}
	for _, step := range []func(context.Context) error{r.checkDir, r.readKeys, r.readLog, r.build, r.putKeys, r.putLog, r.putDatabase} {
		if err := step(ctx); err != nil {
			return errors.Join(err, r.clean())
		}
	}
	if err := r.clean(); err != nil {
		return err
	}
	return r.say()
}

func (r *restore) say() error {
	if r.opts.Format.Structured() {
		type doc struct {
			DataDir  string    `json:"data_dir"`
			MadeAt   time.Time `json:"made_at"`
			Replayed *int      `json:"replayed"` // null: not, as was accepted
			Aside    []string  `json:"set_aside"`
		}
		d := doc{DataDir: string(r.dir), MadeAt: r.note.MadeAt, Aside: append([]string{}, r.aside...)}
		if r.history != nil {
			d.Replayed = &r.replayed
		}
		return writeObject(r.opts.Out, r.opts.Format, struct {
			Restore doc `json:"restore"`
		}{d})
	}
	for _, path := range r.aside {
		if _, err := fmt.Fprintf(r.opts.ErrOut, "set aside: %s\n", path); err != nil {
			return err
		}
	}
	replayed := fmt.Sprintf("%d revocations since were made again", r.replayed)
	if r.history == nil {
		replayed = "what was revoked since opens again"
	}
	_, err := fmt.Fprintf(r.opts.Out, "restored the backup of %s to %s; %s\n", r.note.MadeAt.Format(time.RFC3339), r.dir, replayed)
	return err
}
