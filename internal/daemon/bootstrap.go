package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const bootstrapTimeout = 30 * time.Second

// BootstrapOptions is all that bootstrapRun needs.
type BootstrapOptions struct {
	DataDir  string
	Database string // the URL of a PostgreSQL database; empty: the file in DataDir
	OrgSlug  string
	OrgName  string
	UserName string
	Email    string // of the owner; empty: none

	Out    io.Writer // gets a secret: must not be a terminal
	ErrOut io.Writer // the log
	Now    func() time.Time
}

// bootstrapRun makes sure that the org and its owner exist, signs the owner in and writes the session to Out as JSON. It
// works beside a serving process on the same data directory.
func bootstrapRun(ctx context.Context, opts *BootstrapOptions) error {
	if opts.OrgSlug == "" { // not sooner made than asked for
		return cliutil.UsageError("--org is required")
	}
	return withDomain(ctx, opts.DataDir, opts.Database, opts.ErrOut, opts.Now, func(ctx context.Context, _ dataDir, c *core.Service) error {
		org, user, err := c.Bootstrap(ctx, core.Bootstrap{
			OrgSlug: opts.OrgSlug, OrgName: opts.OrgName, UserName: opts.UserName, Email: opts.Email,
		})
		if err != nil {
			return refusal(err)
		}
		signedIn, err := c.StartSession(ctx, user.ID, api.SessionCLI, core.Client{Name: "bootstrap"})
		if err != nil {
			return refusal(err)
		}
		doc, err := json.Marshal(struct {
			Org     api.Org  `json:"org"`
			User    api.User `json:"user"`
			Session string   `json:"session"`
		}{api.Org(org), api.User(user), signedIn.Token.Reveal()})
		if err != nil {
			return fmt.Errorf("encode the session: %w", err)
		}
		if _, err := opts.Out.Write(append(doc, '\n')); err != nil {
			return fmt.Errorf("write the session: %w", err)
		}
		return nil
	})
}

// refusal makes what core refuses a failure of the command.
func refusal(err error) error {
	var known *core.Error
	if !errors.As(err, &known) {
		return err
	}
	exit := cliutil.ExitFailed
	switch info, _ := known.Code.Info(); info.Status {
	case http.StatusBadRequest:
		exit = cliutil.ExitUsage
	case http.StatusConflict:
		exit = cliutil.ExitConflict
	}
	return &cliutil.Error{Code: string(known.Code), Exit: exit, Message: known.Detail, Hint: known.Fix, Err: err}
}
