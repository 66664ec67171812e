package keys

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/rotation"
	"github.com/keyfob/keyfob/internal/sink"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// rotateKey does the whole of it.
func rotateKey(ctx context.Context, opts *RotateOptions) error {
	run, prints, err := newRun(opts)
	if err != nil {
		return describeSink(err)
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	run.Client, run.Org = at.Client, at.Org
	done := func() {}
	if run.Name = runName(opts); run.Name == "" {
		about := []string{at.Origin(), at.Org, opts.Key, strconv.FormatBool(opts.Emergency)}
		for _, s := range run.Sinks {
			about = append(about, s.Name())
		}
		run.Name, done = opts.Journal.Begin(about...)
	}
	result, err := run.Do(ctx)
	if err != nil {
		return describeRotation(ctx, err, opts.Key)
	}
	if !opts.Wait || !opts.Out.Structured() {
		if err := sayRotated(opts, result, prints); err != nil {
			return err
		}
	}
	if opts.Wait {
		if err := sayFollowed(ctx, opts, at, result, prints); err != nil {
			return err
		}
	}
	done()
	return nil
}

// sayFollowed waits for the end of a rotation and tells it.
func sayFollowed(ctx context.Context, opts *RotateOptions, at cliutil.OrgClient, r rotation.Result, prints bool) error {
	ended := r.Rotation.EndedAt != nil
	env, waitErr := follow(ctx, opts, at, r.RotationEnvelope)
	r.RotationEnvelope = env
	switch {
	case opts.Out.Structured() && waitErr == nil:
		return sayRotated(opts, r, prints)
	case waitErr == nil && !ended:
		opts.Out.Note("The old secret of %s has ended.", cliutil.Printable(env.Key.Name))
	}
	return waitErr
}

// newRun reads what is to be done; prints: the secret is the payload. In an object it stands beside the record, at the end; as
// text it goes out the moment it is there, since it may be kept nowhere else.
func newRun(opts *RotateOptions) (run *rotation.Run, prints bool, err error) {
	sys := sink.System{
		Environ: opts.Environ, Clients: opts.Clients(opts.Key), Lock: opts.Lock,
		Print: func(s secret.Secret) error { return opts.Out.Line("%s", s.Reveal()) },
	}
	if opts.Out.Structured() {
		sys.Print = func(secret.Secret) error { return nil }
	}
	sinks, err := sink.ParseAll(opts.To, sys)
	if err != nil {
		return nil, false, err
	}
	prints = slices.ContainsFunc(sinks, func(s sink.Sink) bool { return s.Name() == "stdout" })
	if prints && opts.Wait && opts.Out.Structured() {
		return nil, false, cliutil.UsageError("with --wait the secret would be printed at the end only: name a sink other than stdout")
	}
	if prints {
		if err := opts.Out.TakesSecret(); err != nil {
			return nil, false, err
		}
	}
	run = &rotation.Run{
		Key: opts.Key, Sinks: sinks, Grace: opts.Grace, OnUse: opts.OnUse, Quiet: opts.Quiet, Activate: opts.Activate,
		Emergency: opts.Emergency,
		Minted:    mask(opts), Note: opts.Out.Note,
	}
	if opts.Retire {
		run.Grace = 0
	}
	if opts.Check != "" {
		run.Check, err = sink.ParseProgram(opts.Check, sys)
	}
	return run, prints, err
}

func sayRotated(opts *RotateOptions, r rotation.Result, prints bool) error {
	out := opts.Out
	switch {
	case out.Structured():
		doc := api.RotationOpened{RotationEnvelope: r.RotationEnvelope}
		if prints && !r.Secret.IsZero() {
			doc.Secret = r.Secret.Reveal()
		}
		return out.Object(doc)
	case out.Quiet && !prints:
		return out.Line("%s", cliutil.Printable(r.Rotation.ID))
	}
	name := cliutil.Printable(r.Key.Name)
	if r.Rotation.ArmedAt != nil && r.Rotation.PromotedAt == nil {
		out.Note("%s (%s) has another secret, which becomes the current one when somebody uses it.", name, r.Key.ID)
	} else {
		out.Note("Rotated %s (%s); the secret is now %s.", name, r.Key.ID, cliutil.Printable(r.Key.Hint))
	}
	for _, s := range r.Rotation.Sinks {
		how := "delivered"
		if s.Checked {
			how = "delivered and read back"
		}
		if s.Name != "stdout" {
			out.Note("%s: %s.", cliutil.Printable(s.Name), how)
		}
	}
	switch {
	case r.Rotation.EndedAt != nil:
		out.Note("The old secret has ended.")
		return nil
	case r.Rotation.PromotedAt == nil:
		return nil
	}
	if r.Rotation.QuietSeconds > 0 {
		out.Note("The old secret ends once it was not used for %s.", quietSpan(r.Rotation))
	}
	out.Note("The old secret ends at %s. End it sooner: keyfob keys rotate %s --retire now", cliutil.Stamp(r.Rotation.RetireAt), r.Key.ID)
	return nil
}

// describeSink makes what is wrong with a sink an error of the command line.
func describeSink(err error) error {
	var bad *sink.Error
	if !errors.As(err, &bad) {
		return err
	}
	e := &cliutil.Error{Code: "sink-failed", Exit: cliutil.ExitFailed, Message: bad.Error(), Hint: bad.Hint, Err: err}
	if bad.Usage {
		e.Code, e.Exit = "usage", cliutil.ExitUsage
		if e.Hint == "" {
			e.Hint = "see `keyfob keys rotate --help`"
		}
	}
	return e
}

// describeRotation says, beside what failed, what it means: the old secret works on, and how it goes on from here.
func describeRotation(ctx context.Context, err error, key string) error {
	var step *rotation.StepError
	if !errors.As(err, &step) {
		return err
	}
	if ctx.Err() != nil && !step.Opened {
		return err
	}
	if errors.Is(err, rotation.ErrSuperseded) {
		return &cliutil.Error{Code: "rotation-superseded", Exit: cliutil.ExitConflict, Message: err.Error(), Hint: "give this run another name with --run", Err: err}
	}
	e := *cliutil.Describe(describeSink(step.Err))
	if !step.Opened {
		return &e
	}
	next := "run the command again to go on with the same secret, or take it back: keyfob keys rotate " + cliutil.Word(key) + " --abort"
	state := "the old secret works on; "
	if step.Cut {
		state, next = "the old secret has ended; ", "run the command again to go on with the same secret"
	}
	if e.Hint != "" {
		state = e.Hint + "; " + state
	}
	e.Hint = state + next
	switch step.Step {
	case "deliver":
		e.Message = "not delivered: " + e.Message
	case "prove":
		e.Message = "not proven: " + e.Message
		if e.Exit != cliutil.ExitUnreachable && e.Exit != cliutil.ExitCancelled {
			e.Code, e.Exit = "rotation-not-proven", cliutil.ExitFailed
		}
	}
	return &e
}

// abortRotation takes the open rotation back.
func abortRotation(ctx context.Context, opts *RotateOptions) error {
	at, open, err := rotationsWhere(ctx, opts, func(r api.Rotation) bool { return r.PromotedAt == nil && r.EndedAt == nil })
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return &cliutil.Error{
			Code: "rotation-not-found", Exit: cliutil.ExitNotFound, Message: "no rotation of the key is open",
			Hint: "see what was: keyfob keys show " + cliutil.Word(opts.Key),
		}
	}
	env, err := at.CancelRotation(ctx, at.Org, open[0].KeyID, open[0].ID, opts.Force)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Code == api.CodeRotationUsed {
		e := *cliutil.Describe(err)
		e.Hint = "give its sinks the old secret back (keyfob keys reveal " + cliutil.Word(opts.Key) + "), then add --force; or run the rotation again to finish it"
		return &e
	}
	if err != nil {
		return err
	}
	return sayEnded(opts, []api.RotationEnvelope{env}, "Took the new secret of %s back; the old one works on.")
}

// retireEarlier ends the old secrets that earlier rotations left; false: there are none.
func retireEarlier(ctx context.Context, opts *RotateOptions) (bool, error) {
	at, left, err := rotationsWhere(ctx, opts, func(r api.Rotation) bool { return r.EndedAt == nil })
	if err != nil || len(left) == 0 || left[0].PromotedAt == nil { // an open one is gone on with
		return false, err
	}
	var done []api.RotationEnvelope
	for _, r := range left {
		env, err := at.RetireRotation(ctx, at.Org, r.KeyID, r.ID)
		if err != nil {
			return true, err
		}
		done = append(done, env)
	}
	return true, sayEnded(opts, done, "The old secret of %s has ended.")
}

// rotationsWhere finds the key's rotations, newest first.
func rotationsWhere(ctx context.Context, opts *RotateOptions, want func(api.Rotation) bool) (cliutil.OrgClient, []api.Rotation, error) {
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return at, nil, err
	}
	all, err := at.Rotations(ctx, at.Org, opts.Key)
	if err != nil {
		return at, nil, err
	}
	return at, slices.DeleteFunc(all, func(r api.Rotation) bool { return !want(r) }), nil
}

func sayEnded(opts *RotateOptions, done []api.RotationEnvelope, note string) error {
	newest := done[0]
	if opts.Out.Structured() {
		return opts.Out.Object(newest)
	}
	if opts.Out.Quiet {
		return opts.Out.Line("%s", cliutil.Printable(newest.Rotation.ID))
	}
	opts.Out.Note(note, cliutil.Printable(newest.Key.Name))
	return nil
}
