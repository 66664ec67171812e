package daemon

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

const doctorTimeout = 10 * time.Minute

// DoctorOptions is all that doctorRun needs.
type DoctorOptions struct {
	DataDir string
	Format  cliutil.Format

	Out io.Writer
	Now func() time.Time
}

// How a check ended.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is how one check ended.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func newCmdDoctor(f *cliutil.Factory, runF func(context.Context, *DoctorOptions) error) *cobra.Command {
	opts := &DoctorOptions{Out: f.IO.Out, Now: f.Now}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look through a data directory, also while it is served",
		Long: `Look through a data directory, also while it is served, and change nothing: a line for each check, and how to mend what is wrong.
The exit code is 1 if a check fails.`,
		Example: "$ keyfobd doctor\n$ keyfobd doctor --data-dir /var/lib/keyfob -o json",
		Args:    cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := f.Output()
			if err != nil {
				return err
			}
			opts.Format = out.Format
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, doctorRun)
		},
	}
	dataDirFlag(cmd.Flags(), &opts.DataDir)
	return cmd
}

func doctorRun(ctx context.Context, opts *DoctorOptions) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	path, err := filepath.Abs(opts.DataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	d := &doctor{dir: dataDir(path), now: opts.Now}
	found := d.examine(ctx)
	failed := 0
	for _, f := range found {
		if f.Status == checkFail {
			failed++
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := opts.say(found, failed == 0); err != nil {
		return err
	}
	if failed == 0 {
		return nil
	}
	return &cliutil.Error{
		Code: "unsound", Exit: cliutil.ExitFailed,
		Message: fmt.Sprintf("%d of %d checks of %s failed", failed, len(found), d.dir), Hint: "each says what to do",
	}
}

func (opts *DoctorOptions) say(found []finding, ok bool) error {
	if opts.Format.Structured() {
		return writeObject(opts.Out, opts.Format, struct {
			OK     bool      `json:"ok"`
			Checks []finding `json:"checks"`
		}{ok, found})
	}
	for _, f := range found {
		line := fmt.Sprintf("%-4s  %-12s  %s", f.Status, f.Check, f.Detail)
		if f.Fix != "" {
			line += "; " + f.Fix
		}
		if _, err := fmt.Fprintln(opts.Out, line); err != nil {
			return err
		}
	}
	return nil
}
