package daemon

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
)

const readyTimeout = 4 * time.Second

// ReadyOptions is all that readyRun needs.
type ReadyOptions struct {
	DataDir string
	Out     io.Writer
}

func newCmdReady(f *cliutil.Factory, runF func(context.Context, *ReadyOptions) error) *cobra.Command {
	opts := &ReadyOptions{Out: f.IO.Out}
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Say whether the service of a data directory is ready",
		Long: `Say whether the service of a data directory is ready to answer requests: exit 0 when it is, 6 when it is not. Containers ask this
for their health.`,
		Example: "$ keyfobd ready\n$ keyfobd ready --data-dir /var/lib/keyfob",
		Args:    cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.DataDir, err = chooseDataDir(f, opts.DataDir); err != nil {
				return err
			}
			return cliutil.Run(cmd.Context(), opts, runF, readyRun)
		},
	}
	dataDirFlag(cmd.Flags(), &opts.DataDir)
	return cmd
}

// readyRun asks the service where it listens, whatever its public URL is: a proxy before it is none of its health.
func readyRun(ctx context.Context, opts *ReadyOptions) error {
	unready := func(err error, format string, args ...any) error {
		return &cliutil.Error{
			Code: "not-ready", Exit: cliutil.ExitUnreachable, Err: err, Message: fmt.Sprintf(format, args...), Hint: "its log says more",
		}
	}
	var at serviceDoc
	doc, err := os.ReadFile(filepath.Join(opts.DataDir, serviceFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unready(err, "no service serves %s", opts.DataDir)
	case err != nil:
		return unready(err, "%s", err)
	}
	if err := json.Unmarshal(doc, &at); err != nil || at.Listen == "" {
		return unready(err, "%s in %s can't be read", serviceFile, opts.DataDir)
	}
	scheme := "http"
	if at.TLS {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+at.Listen+"/readyz", http.NoBody)
	if err != nil {
		return unready(err, "%s in %s can't be read", serviceFile, opts.DataDir)
	}
	res, err := (&http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		// The certificate is for the public name, and nothing secret is said to whoever listens on this machine's own address.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // see above
	}}).Do(req)
	if err != nil {
		return unready(err, "the service at %s does not answer", at.Listen)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return unready(nil, "the service at %s is not ready: status %d", at.Listen, res.StatusCode)
	}
	if _, err := io.WriteString(opts.Out, "ready\n"); err != nil {
		return fmt.Errorf("say so: %w", err)
	}
	return nil
}

// reachable is the address of a listener for programs on this machine: one on all addresses is on loopback, too.
func reachable(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsUnspecified() {
		return address
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port()).String()
}
