package keys

import (
	"context"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// preview is what --dry-run tells of one key: what would break.
type preview struct {
	Key    api.Key   `json:"key"`
	Action string    `json:"action"`
	Usage  api.Usage `json:"usage"`
}

// previewKeys shows who used the keys lately, and changes nothing.
func previewKeys(ctx context.Context, out *cliutil.Output, at cliutil.OrgClient, names []string, action string) error {
	var all []preview
	for _, name := range names {
		key, err := at.Key(ctx, at.Org, name)
		if err != nil {
			return err
		}
		usage, err := at.KeyUsage(ctx, at.Org, key.ID)
		if err != nil {
			return err
		}
		all = append(all, preview{Key: key, Action: action, Usage: usage})
	}
	if out.Structured() {
		return out.Object(map[string]any{"dry_run": all})
	}
	for _, p := range all {
		if err := out.Table(nil, p.rows()); err != nil {
			return err
		}
	}
	out.Note("Nothing was changed.")
	return nil
}

func (p preview) rows() [][]string {
	used := "never"
	if p.Usage.LastUsedAt != nil {
		used = cliutil.Stamp(p.Usage.LastUsedAt)
	}
	rows := [][]string{
		{"would " + p.Action, p.Key.Name + " (" + p.Key.Hint + "), " + string(p.Key.Status)},
		{"last used", used},
	}
	return append(rows, callRows(p.Usage)...)
}
