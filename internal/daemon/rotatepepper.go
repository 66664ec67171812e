package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/store"
)

// RotatePepperOptions is all that rotatePepperRun needs.
type RotatePepperOptions struct {
	DataDir  string
	Database string // the URL of a PostgreSQL database; empty: the file in DataDir
	Copied   bool   // every replica has the file of the pepper that was made
	Another  bool   // begin, though an older pepper is needed still
	Forget   bool   // let an older pepper go though retired secrets are under it
	Format   cliutil.Format

	Out    io.Writer
	ErrOut io.Writer // the log
	Now    func() time.Time
}

func newCmdRotatePepper(f *cliutil.Factory, runF func(context.Context, *RotatePepperOptions) error) *cobra.Command {
	opts := &RotatePepperOptions{Out: f.IO.Out, ErrOut: f.IO.ErrOut, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "rotate-pepper",
		Short: "Put a new pepper in the old one's place, also while the service runs",
		Long: `Put a new pepper in the old one's place, also while the service runs: secrets are found by digests under it. No key's secret changes,
and nobody has to sign in again. A run that was stopped is gone on with by the next.

Secrets with a sealed copy get their new digests at once. The others, and sessions, get theirs when they are next used; until then, and
for a day at least, the old pepper is needed, too. It has a file with its id. Run this again later: it says what is left, and lets the
old pepper go once nothing needs it. To begin with another while that is so, give --another. Copy the files to where you keep them.

Replicas on a --database need the file of the new pepper before it is used: the first run makes it and changes nothing else, and the
next, with --copied, uses it.`,
		Example: `$ keyfobd rotate-pepper --data-dir /var/lib/keyfob
$ keyfobd rotate-pepper --data-dir /var/lib/keyfob --database postgres://keyfob@db.example.com/keyfob --copied`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := f.Output()
			if err != nil {
				return err
			}
			opts.Format = out.Format
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, rotatePepperRun)
		},
	}
	flags := cmd.Flags()
	dataDirFlag(flags, &opts.DataDir)
	databaseFlag(flags, &opts.Database)
	flags.BoolVar(&opts.Copied, "copied", false, "with --database: every replica has the file that the first run made")
	flags.BoolVar(&opts.Forget, "forget-retired", false, "let an old pepper go that only retired secrets need: they are unknown from then on")
	flags.BoolVar(&opts.Another, "another", false, "begin with a new one, though one from before is needed still")
	return cmd
}

func rotatePepperRun(ctx context.Context, opts *RotatePepperOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	dir, err := keysOf(opts.DataDir, opts.Database, opts.Copied)
	if err != nil {
		return err
	}
	unlock, err := dir.lockKeys(pepperKind())
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
	r := &pepperRotation{
		dir: dir, core: d.core, prepares: opts.Database != "" && !opts.Copied, copied: opts.Copied, another: opts.Another, forget: opts.Forget,
	}
	for _, step := range r.steps() {
		if err := step(ctx); err != nil {
			return fmt.Errorf("rotate the pepper: %w", err)
		}
		if r.prepared != "" {
			return r.sayPrepared(opts)
		}
	}
	return r.say(ctx, opts)
}

// pepperRotation is a rotation of the pepper. After each of its steps everything opens, for a service that runs and for one that
// starts, and each can be taken again.
type pepperRotation struct {
	dir      dataDir
	core     *core.Service
	prepares bool   // others need the pepper's file before it is used
	copied   bool   // they have it
	another  bool   // begin, though an older one is needed still
	forget   bool   // retired secrets need no older one
	prepared string // the id of one that was only made
	newest   string // id
	done     core.Redigested
	dropped  []string
}

func (r *pepperRotation) steps() []func(context.Context) error {
	return []func(context.Context) error{r.begin, r.redigest, r.install, r.drop}
}

// begin makes the new pepper and has the store use it, unless an earlier run did. Its file is there first.
func (r *pepperRotation) begin(ctx context.Context) error {
	all, err := r.core.Peppers(ctx)
	if err != nil {
		return err
	}
	used := make([]string, len(all))
	for i, p := range all {
		used[i] = p.ID
	}
	begun, err := r.dir.prepared(pepperKind(), used...)
	if err != nil {
		return err
	}
	if r.newest = used[0]; len(used) > 1 && (!r.another || begun) {
		return r.dir.begun(pepperKind())
	}
	key, err := r.dir.prepare(pepperKind(), r.copied, used...)
	if err != nil {
		return err
	}
	if r.newest = core.PepperID(key); r.prepares {
		r.prepared = r.newest
		return nil
	}
	if err := r.core.AddPepper(ctx, key); errors.Is(err, core.ErrPeppers) {
		return &cliutil.Error{
			Code: "too-many-peppers", Exit: cliutil.ExitConflict, Err: err,
			Message: "there are as many peppers in use as there may be: " + err.Error(),
			Hint:    "run it without --another, which says what needs the old ones: rotate or delete those keys",
		}
	} else if err != nil {
		return err
	}
	return r.dir.begun(pepperKind())
}

func (r *pepperRotation) redigest(ctx context.Context) (err error) {
	r.done, err = r.core.Redigest(ctx)
	return err
}

func (r *pepperRotation) install(context.Context) error { return r.dir.install(pepperKind(), r.newest) }

func (r *pepperRotation) drop(ctx context.Context) (err error) {
	r.dropped, err = r.core.DropPeppers(ctx, r.forget)
	return err
}

// pepperDoc is a pepper as it is told.
type pepperDoc struct {
	ID        string           `json:"id"`
	File      string           `json:"file"`
	KeptUntil *time.Time       `json:"kept_until,omitempty"` // whatever is under it
	Uses      map[string]int64 `json:"uses,omitempty"`       // by kind
}

func (r *pepperRotation) doc(id string) pepperDoc {
	return pepperDoc{ID: id, File: r.dir.file(pepperKind().named(id))}
}

func (r *pepperRotation) sayPrepared(opts *RotatePepperOptions) error {
	if opts.Format.Structured() {
		return writeObject(opts.Out, opts.Format, struct {
			Prepared pepperDoc `json:"prepared"`
		}{r.doc(r.prepared)})
	}
	_, err := io.WriteString(opts.Out, r.dir.sayPrepared(pepperKind(), r.prepared))
	return err
}

func (r *pepperRotation) say(ctx context.Context, opts *RotatePepperOptions) error {
	all, err := r.core.Peppers(ctx)
	if err != nil {
		return err
	}
	if opts.Format.Structured() {
		err = writeObject(opts.Out, opts.Format, r.rotated(all))
	} else {
		_, err = io.WriteString(opts.Out, r.text(all, opts.Now()))
	}
	if err != nil {
		return err
	}
	for _, fault := range r.done.Faults {
		if _, err := fmt.Fprintf(opts.ErrOut, "warning: it stays under its pepper until it is used: %s\n", cliutil.Printable(fault.Error())); err != nil {
			return err
		}
	}
	return nil
}

func (r *pepperRotation) text(all []core.Pepper, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the pepper is %s now, in %s: copy it to where you keep it; %s got digests under it\n",
		all[0].ID, r.dir.file(pepperFile), counted(int64(r.done.Moved), "secret"))
	for _, p := range all[1:] {
		fmt.Fprintf(&b, "needed still: %s: %s\n", r.dir.file(pepperKind().named(p.ID)), older(p, now))
	}
	if len(all) > 1 {
		b.WriteString("run it again later: an old pepper is let go once nothing needs it\n")
	}
	for _, id := range r.dropped {
		fmt.Fprintf(&b, "not needed any more: %s, but for backups from before\n", r.dir.file(pepperKind().named(id)))
	}
	return b.String()
}

func (r *pepperRotation) rotated(all []core.Pepper) any {
	var doc struct {
		Pepper  pepperDoc   `json:"pepper"`
		Moved   int         `json:"moved"`   // secrets
		Needed  []pepperDoc `json:"needed"`  // older ones
		Dropped []pepperDoc `json:"dropped"` // that are not needed any more
	}
	doc.Pepper, doc.Moved, doc.Needed, doc.Dropped = r.doc(all[0].ID), r.done.Moved, []pepperDoc{}, []pepperDoc{}
	for _, p := range all[1:] {
		one := r.doc(p.ID)
		until := p.KeptUntil.UTC()
		one.KeptUntil, one.Uses = &until, map[string]int64{}
		for _, u := range p.Uses {
			one.Uses[u.Kind] = u.Rows
		}
		doc.Needed = append(doc.Needed, one)
	}
	for _, id := range r.dropped {
		doc.Dropped = append(doc.Dropped, r.doc(id))
	}
	return doc
}

// older says what needs an old pepper.
func older(p core.Pepper, now time.Time) string {
	words := map[string]string{
		store.UseSealed: "secret with a sealed copy that does not open", store.UseSecret: "secret without a sealed copy", store.UseRetired: "retired secret",
		store.UseSession: "session", store.UseInvitation: "link", store.UseGrant: "program that signs in", store.UseJob: "session of a job",
	}
	var needs []string
	for _, u := range p.Uses {
		needs = append(needs, counted(u.Rows, words[u.Kind]))
	}
	if now.Before(p.KeptUntil) {
		needs = append(needs, "whatever was sent before, until "+p.KeptUntil.UTC().Format(time.RFC3339))
	}
	if len(needs) == 0 {
		needs = []string{"nothing: the next rotate-pepper lets it go"}
	}
	return p.ID + " for " + strings.Join(needs, ", ")
}

// counted is a number of things; of several words the first gets the s.
func counted(n int64, what string) string {
	if n != 1 {
		first, rest, more := strings.Cut(what, " ")
		if first == "retired" {
			first, rest, more = what, "", false
		}
		what = first + "s"
		if more {
			what += " " + rest
		}
	}
	return fmt.Sprintf("%d %s", n, what)
}
