package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/client"
)

// SetupLinkOptions is all that setupLinkRun needs.
type SetupLinkOptions struct {
	DataDir   string
	Database  string // the URL of a PostgreSQL database; empty: the file in DataDir
	Email     string
	PublicURL string // empty: that of the service that serves the data directory

	Out    io.Writer // gets the link, which opens the account
	ErrOut io.Writer // the log
	Now    func() time.Time
}

// setupLinkRun prints a link by which an account sets a new password. It works beside a serving process on the same data
// directory.
func setupLinkRun(ctx context.Context, opts *SetupLinkOptions) error {
	if opts.Email == "" {
		return cliutil.UsageError("--email is required")
	}
	if opts.Database == "" { // no account is in a database that is yet to be made
		if _, err := existingDataDir(opts.DataDir); err != nil {
			return err
		}
	}
	return withDomain(ctx, opts.DataDir, opts.Database, opts.ErrOut, opts.Now, func(ctx context.Context, dir dataDir, c *core.Service) error {
		public, err := dir.publicURL(opts.PublicURL)
		if err != nil {
			return err
		}
		token, err := c.NewPasswordSetUp(ctx, opts.Email)
		if err != nil {
			return refusal(err)
		}
		_, err = io.WriteString(opts.Out, setUpURL(public, token)+"\n")
		return err
	})
}

func setUpURL(public *url.URL, token string) string { return public.JoinPath("setup", token).String() }

// publicURL is the URL that was given, else the one under which people reach the service that serves the directory.
func (d dataDir) publicURL(given string) (*url.URL, error) {
	if given != "" {
		u, err := client.ParseURL(given)
		if err != nil {
			return nil, cliutil.UsageError("--public-url: %s", cliutil.Printable(err.Error()))
		}
		return u, nil
	}
	var running serviceDoc
	doc, err := os.ReadFile(d.file(serviceFile))
	if err == nil {
		err = json.Unmarshal(doc, &running)
	}
	public := running.PublicURL
	if public == "" {
		public = running.URL
	}
	u, parseErr := client.ParseURL(public)
	if err != nil || parseErr != nil {
		e := cliutil.UsageError("no service serves %s, so the link's URL is not known", d)
		e.Hint, e.Err = "say it with --public-url", errors.Join(err, parseErr)
		return nil, e
	}
	return u, nil
}

// withDomain opens the domain of a data directory for one piece of work.
func withDomain(ctx context.Context, path, database string, errOut io.Writer, now func() time.Time, work func(context.Context, dataDir, *core.Service) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, bootstrapTimeout)
	defer cancel()
	dir, err := openDataDir(path)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	d, err := openDomain(ctx, dir, database, core.Config{Passwords: true, Brief: true, Now: now, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close(ctx)) }()
	return work(ctx, dir, d.core)
}
