package mcpconnect

import (
	"bytes"
	"context"
	"os"
	"slices"

	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/userfile"
)

// Disconnect takes the entries of the clients out of all their files: those that Keyfob wrote, and those that carry one of its
// keys or run it. A file gets back what it was, byte for byte, but for what others have changed since.
func (c Connector) Disconnect(ctx context.Context, clients []mcpclient.Client) ([]Step, error) {
	steps, _, err := c.inTx(ctx, func(tx *userfile.Tx) ([]Step, error) { return c.planRemoval(tx, clients) }, "disconnect")
	return steps, err
}

// PreviewDisconnect returns what Disconnect would do. It changes nothing.
func (c Connector) PreviewDisconnect(ctx context.Context, clients []mcpclient.Client) ([]Step, error) {
	steps, _, err := c.inTx(ctx, func(tx *userfile.Tx) ([]Step, error) { return c.planRemoval(tx, clients) }, "")
	return steps, err
}

func (c Connector) planRemoval(tx *userfile.Tx, clients []mcpclient.Client) ([]Step, error) {
	list, save, err := c.stage(tx)
	if err != nil {
		return nil, err
	}
	wanted := func(id string) bool {
		return slices.ContainsFunc(clients, func(c mcpclient.Client) bool { return c.ID == id })
	}
	strays, err := c.strays(tx, list, clients)
	if err != nil {
		return nil, err
	}
	steps := []Step{}
	// The last first: what the first one made room for goes with it.
	for _, known := range slices.Backward(append(strays, list.Connections...)) {
		if !wanted(known.Client) {
			continue
		}
		step, err := c.removeOne(tx, known)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
		list.drop(known.Path, known.Place, known.Name)
	}
	return steps, save()
}

// strays are the entries that are plainly ours but not in the list.
func (c Connector) strays(tx *userfile.Tx, list *ledger, clients []mcpclient.Client) ([]connection, error) {
	var found []connection
	for _, client := range clients {
		for _, target := range client.Known(c.Where) {
			if !c.Where.Exists(target.Path) {
				continue
			}
			file, err := tx.Read(target.Path)
			if err != nil {
				return nil, err
			}
			entries, err := edit.Entries(target.Format, file.Data, target.Place)
			if err != nil {
				return nil, fileError(client.ID, target.Path, err)
			}
			for _, e := range entries {
				known, ok := client.Read(target, e)
				if !ok || !ours(known) || list.find(target.Path, target.Place, e.Name) != nil {
					continue
				}
				found = append(found, connection{
					Client: client.ID, Scope: target.Scope, Path: target.Path, Format: target.Format, Place: target.Place,
					Name: e.Name, URL: known.URL, Rung: known.Rung,
				})
			}
		}
	}
	return found, nil
}

// ours says that an entry has a key of Keyfob's or runs Keyfob.
func ours(f mcpclient.Found) bool {
	return !f.Key.IsZero() || mcpclient.RunsKeyfob(f.Helper, "headers") || mcpclient.RunsKeyfob(f.Argv, "proxy")
}

func (c Connector) removeOne(tx *userfile.Tx, known connection) (Step, error) {
	step := Step{
		Client: known.Client, Scope: known.Scope, Path: known.Path, Name: known.Name, Rung: known.Rung, KeyID: known.KeyID,
		Outcome: Gone, minted: known.Minted,
	}
	file, err := tx.Read(known.Path)
	if err != nil || !file.Exists {
		return step, err
	}
	out, found, err := edit.Remove(known.Format, file.Data, known.Place, known.Name, known.Trace)
	if err != nil {
		return step, fileError(known.Client, known.Path, err)
	}
	if !found {
		return step, nil
	}
	step.Outcome, step.Diff = Removed, diff(known.Path, file.Data, out)
	if known.New && string(out) == known.Head {
		tx.Remove(file, known.Folders)
		return step, nil
	}
	how := userfile.How{}
	if pristine, err := os.ReadFile(c.Copy(known.Path)); err == nil && bytes.Equal(pristine, out) {
		how.Mode = known.Mode
	}
	tx.Write(file, out, how)
	return step, nil
}

// InUse says that a client which Keyfob has connected runs it for the key.
func (c Connector) InUse(keyID string) bool {
	f, err := userfile.Read(c.ledger())
	if err != nil {
		return true // which keeps what it may need
	}
	list, err := parseLedger(f)
	return err != nil || slices.ContainsFunc(list.Connections, func(known connection) bool {
		return known.KeyID == keyID && (known.Rung == mcpclient.RungHelper || known.Rung == mcpclient.RungProxy)
	})
}

// TakeBack undoes a Connect, unless another change came after it.
func (c Connector) TakeBack(ctx context.Context, change Change) error {
	if change.at.IsZero() {
		return nil
	}
	_, _, err := c.undo(ctx, func(last userfile.Record) bool { return last.At.Equal(change.at) })
	return err
}

// Undo takes back what the last Connect or Disconnect did. A file that somebody has changed since is refused, and then none
// is touched.
func (c Connector) Undo(ctx context.Context) (what string, paths []string, err error) {
	return c.undo(ctx, func(last userfile.Record) bool { return last.State != "" })
}

func (c Connector) undo(ctx context.Context, right func(userfile.Record) bool) (what string, paths []string, err error) {
	tx, err := c.store().Begin(ctx)
	if err != nil {
		return "", nil, err
	}
	defer tx.Close()
	last, err := tx.Last()
	if err != nil {
		return "", nil, err
	}
	if !right(last) {
		return "", nil, &Error{Reason: "there is nothing to take back", Hint: "only the last `mcp connect --apply` or `mcp disconnect` can be undone, once", err: ErrNothing}
	}
	for _, past := range last.Files {
		file, err := tx.Read(past.Path)
		if err != nil {
			return "", nil, err
		}
		if !file.Untouched(past) {
			return "", nil, &Error{
				Path: past.Path, Reason: "it was changed since the last `mcp " + last.What + "`", err: userfile.ErrChanged,
				Hint: "take the entry out with `keyfob mcp disconnect`; the file as it was lies in " + c.Copy(past.Path),
			}
		}
		if err := tx.Restore(last, file, past); err != nil {
			return "", nil, err
		}
		if past.Path != c.ledger() {
			paths = append(paths, past.Path)
		}
	}
	if _, err := tx.Commit(ctx, "undo"); err != nil {
		return "", nil, err
	}
	return last.What, paths, c.store().Forget()
}
