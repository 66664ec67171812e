package root

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/build"
	"github.com/keyfob/keyfob/internal/cliutil"
)

func newCmdVersion(f *cliutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "$ keyfob version\n$ keyfob version -o json\n$ keyfob --version",
		Args:    cliutil.ExactArgs(),
		RunE: func(*cobra.Command, []string) error {
			out, err := f.Output()
			if err != nil {
				return err
			}
			if out.Structured() {
				return out.Object(map[string]string{
					"version": build.Version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			return out.Line("keyfob version %s", build.Version())
		},
	}
}
