package mcpconnect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
)

const tries = 5 // when others write the same file at the same time

// Preview returns what Connect would do. It changes nothing.
func (c Connector) Preview(ctx context.Context, req Request) ([]Step, error) {
	steps, _, err := c.inTx(ctx, func(tx *userfile.Tx) ([]Step, error) { return c.plan(ctx, tx, req) }, "")
	return steps, err
}

// Change is what a Connect or a Disconnect did to files; the zero Change is nothing.
type Change struct{ at time.Time }

// Connect writes an entry for each of the clients, or none for any. Errors are *Error and *userfile.Error.
func (c Connector) Connect(ctx context.Context, req Request) ([]Step, Change, error) {
	return c.inTx(ctx, func(tx *userfile.Tx) ([]Step, error) { return c.plan(ctx, tx, req) }, "connect")
}

// inTx plans, and commits if what is not empty. It begins again when somebody else changed a file meanwhile.
func (c Connector) inTx(ctx context.Context, plan func(*userfile.Tx) ([]Step, error), what string) ([]Step, Change, error) {
	for try := 1; ; try++ {
		steps, change, err := c.once(ctx, plan, what)
		if !errors.Is(err, userfile.ErrChanged) || try == tries {
			return steps, change, err
		}
	}
}

func (c Connector) once(ctx context.Context, plan func(*userfile.Tx) ([]Step, error), what string) ([]Step, Change, error) {
	tx, err := c.store().Begin(ctx)
	if err != nil {
		return nil, Change{}, err
	}
	defer tx.Close()
	steps, err := plan(tx)
	if err != nil || what == "" {
		return steps, Change{}, err
	}
	did, err := tx.Commit(ctx, what)
	return steps, Change{did.At}, err
}

func (c Connector) plan(ctx context.Context, tx *userfile.Tx, req Request) ([]Step, error) {
	list, save, err := c.stage(tx)
	if err != nil {
		return nil, err
	}
	steps := make([]Step, 0, len(req.Wants))
	for _, want := range req.Wants {
		step, err := c.planOne(ctx, tx, list, want, req)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, save()
}

func (c Connector) planOne(ctx context.Context, tx *userfile.Tx, list *ledger, want Want, req Request) (Step, error) {
	at, err := c.choose(tx, want.Client, req)
	if err != nil {
		return Step{}, err
	}
	auth, err := c.auth(ctx, want, req, &at)
	if err != nil {
		return Step{}, err
	}
	res, head, err := c.edit(want.Client, at, req.URL, auth)
	if err != nil {
		return Step{}, err
	}
	sum, err := c.proven(want.Client, at, res.Data, req.URL, auth.Rung)
	if err != nil {
		return Step{}, err
	}
	fresh := connection{
		Client: want.Client.ID, Scope: req.Scope, Path: at.target.Path, Format: at.target.Format, Place: at.target.Place,
		Name: at.name, URL: req.URL, Rung: auth.Rung, KeyID: want.Key.ID, Minted: want.Key.Minted, At: c.Now().UTC(), Digest: sum,
		Trace: res.Trace, New: !at.file.Exists, Head: head, Mode: at.file.Mode(),
	}
	if fresh.New {
		fresh.Folders = userfile.MissingFolders(at.target.Path)
	}
	if old := list.find(at.target.Path, at.target.Place, at.name); old != nil && !res.Added {
		fresh.Trace, fresh.New, fresh.Head, fresh.Folders, fresh.Mode = old.Trace, old.New, old.Head, old.Folders, old.Mode
		if !res.Changed {
			fresh.At = old.At
		}
	}
	tx.Write(at.file, res.Data, userfile.How{Private: auth.Rung == mcpclient.RungLiteral, Keep: !list.has(at.target.Path)})
	list.set(fresh)
	step := Step{
		Client: want.Client.ID, Scope: req.Scope, Path: at.target.Path, Name: at.name, Rung: auth.Rung, KeyID: want.Key.ID,
		Outcome: outcome(res), Warnings: at.warn, After: want.Client.After(), minted: want.Key.Minted,
	}
	if step.Outcome != Unchanged {
		step.Diff = diff(at.target.Path, at.file.Data, res.Data)
	}
	return step, nil
}

func outcome(res edit.Result) string {
	switch {
	case res.Added:
		return Added
	case res.Changed:
		return Updated
	}
	return Unchanged
}

// edit returns the file's new text, and what its client needs in a file that is made.
func (c Connector) edit(client mcpclient.Client, at spot, url string, auth mcpclient.Auth) (res edit.Result, head string, err error) {
	entry, drop, err := client.Entry(at.target, mcpclient.Params{Name: at.name, URL: url}, auth)
	if err != nil {
		hint := ""
		if errors.Is(err, mcpclient.ErrName) {
			hint = "give another name with --name"
		}
		return res, "", &Error{Client: client.ID, Reason: err.Error(), Hint: hint, err: err}
	}
	if at.old != nil {
		entry = without(entry, client.Keeps())
	}
	before, head, err := c.document(at)
	if err != nil {
		return res, "", err
	}
	res, err = edit.Put(at.target.Format, before, at.target.Place, at.name, entry, drop...)
	if err != nil {
		return res, "", fileError(client.ID, at.target.Path, err)
	}
	return res, head, nil
}

// document is the text to edit: what stands in the file, or what its client needs in one that is made.
func (c Connector) document(at spot) (text []byte, head string, err error) {
	if len(at.file.Data) > 0 || len(at.target.Head) == 0 {
		return at.file.Data, "", nil
	}
	head, err = at.target.Start()
	return []byte(head), head, err
}

// proven reads the entry out of the new text as the client will, and returns its digest.
func (c Connector) proven(client mcpclient.Client, at spot, text []byte, url string, rung mcpclient.Rung) (string, error) {
	entries, err := edit.Entries(at.target.Format, text, at.target.Place)
	if err != nil {
		return "", fileError(client.ID, at.target.Path, err)
	}
	i := slices.IndexFunc(entries, func(e edit.Entry) bool { return e.Name == at.name })
	if i < 0 {
		return "", refuse(client.ID, at.target.Path, edit.ErrInternal, "", "the entry would not be where the client looks; the file was left alone")
	}
	found, ok := client.Read(at.target, entries[i])
	if !ok || found.Rung != rung || rung != mcpclient.RungProxy && !sameURL(found.URL, url) {
		return "", refuse(client.ID, at.target.Path, edit.ErrInternal, "take the fields out that point elsewhere, or the entry, and run the command again",
			"the entry %q has fields of its own that would lead the client elsewhere; the file was left alone", at.name)
	}
	return digest(entries[i].Value)
}

func without(entry edit.Object, keeps []string) edit.Object {
	return slices.DeleteFunc(slices.Clone(entry), func(f edit.Field) bool { return slices.Contains(keeps, f.Name) })
}

// readSmall reads the manifest of a package.
func readSmall(path string) ([]byte, error) {
	if !strings.HasSuffix(path, "package.json") {
		return nil, fmt.Errorf("%s is no manifest", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
