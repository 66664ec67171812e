package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
)

// RotateMasterKeyOptions is all that rotateMasterKeyRun needs.
type RotateMasterKeyOptions struct {
	DataDir  string
	Database string // the URL of a PostgreSQL database; empty: the file in DataDir
	Copied   bool   // every replica has the file of the key that was made

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

The old key is kept beside the new one, in a file with its id: backups from before need it. Copy master.key to where you keep it.

Replicas on a --database need the file of the new key before it is used: the first run makes it and changes nothing else, and the next,
with --copied, uses it.`,
		Example: `$ keyfobd rotate-master-key --data-dir /var/lib/keyfob
$ keyfobd rotate-master-key --data-dir /var/lib/keyfob --database postgres://keyfob@db.example.com/keyfob --copied`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, rotateMasterKeyRun)
		},
	}
	flags := cmd.Flags()
	dataDirFlag(flags, &opts.DataDir)
	databaseFlag(flags, &opts.Database)
	flags.BoolVar(&opts.Copied, "copied", false, "with --database: every replica has the file that the first run made")
	return cmd
}

func rotateMasterKeyRun(ctx context.Context, opts *RotateMasterKeyOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	dir, err := keysOf(opts.DataDir, opts.Database, opts.Copied)
	if err != nil {
		return err
	}
	unlock, err := dir.lockKeys(masterKind())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	log := slog.New(slog.NewTextHandler(opts.ErrOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	d, err := openDomain(ctx, dir, opts.Database, core.Config{Passwords: true, Brief: true, Now: opts.Now, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	r := &masterRotation{dir: dir, core: d.core, prepares: opts.Database != "" && !opts.Copied, copied: opts.Copied}
	for _, step := range r.steps() {
		if err := step(ctx); err != nil {
			return fmt.Errorf("rotate the master key: %w", err)
		}
		if r.prepared != "" {
			_, err := io.WriteString(opts.Out, dir.sayPrepared(masterKind(), r.prepared))
			return err
		}
	}
	_, err = fmt.Fprintf(opts.Out, "the master key is %s now, in %s: copy it to where you keep it; %d data keys were wrapped anew\n"+
		"the one before stays in %s: backups from before need it\n", r.newest, dir.file(masterFile), r.wrapped, dir.file(masterKind().named(r.old)))
	return err
}

// masterRotation is a rotation of the master key. After each of its steps everything opens, for a service that runs and for one that
// starts, and each can be taken again.
type masterRotation struct {
	dir      dataDir
	core     *core.Service
	prepares bool   // others need the key's file before it is used
	copied   bool   // they have it
	prepared string // the id of one that was only made
	newest   string // id
	old      string // likewise
	wrapped  int
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
		return r.dir.begun(masterKind())
	}
	key, err := r.dir.prepare(masterKind(), r.copied, newest)
	if err != nil {
		return err
	}
	if r.old, r.newest = newest, core.MasterKeyID(key); r.prepares {
		r.prepared = r.newest
		return nil
	}
	if err := r.core.AddMasterKey(ctx, key); err != nil {
		return err
	}
	return r.dir.begun(masterKind())
}

func (r *masterRotation) wrap(ctx context.Context) (err error) {
	r.wrapped, err = r.core.Rewrap(ctx)
	return err
}

func (r *masterRotation) install(context.Context) error { return r.dir.install(masterKind(), r.newest) }
