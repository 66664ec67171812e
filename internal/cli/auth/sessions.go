package auth

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// listSessions prints the user's sessions on the service, the one in use marked.
func listSessions(ctx context.Context, opts *StatusOptions, session *cliutil.Session) error {
	info, err := session.Client.Session(ctx)
	if err != nil {
		return err
	}
	all, err := session.Client.Sessions(ctx)
	if err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(api.SessionList{Sessions: all})
	}
	var rows [][]string
	for _, s := range all {
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(s.ID)); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, sessionRow(opts, s, s.ID == info.Session.ID))
	}
	if opts.Out.Quiet {
		return nil
	}
	return opts.Out.Table([]string{"ID", "KIND", "FOR", "MACHINE", "HINT", "LAST USED", "CREATED", "ENDS", "HERE"}, rows)
}

func sessionRow(opts *StatusOptions, s api.Session, current bool) []string {
	used, created := cliutil.Stamp(s.LastUsedAt), cliutil.Stamp(&s.CreatedAt)
	if opts.Out.IO.OutTTY {
		used, created = cliutil.Ago(opts.Now(), s.LastUsedAt), cliutil.Ago(opts.Now(), &s.CreatedAt)
	}
	here := ""
	if current {
		here = "*"
	}
	return []string{s.ID, string(s.Kind), s.Name, s.Host, s.Hint, used, created, cliutil.Stamp(&s.ExpiresAt), here}
}

// endOne ends one session by its id; it may be a token, or one on another machine.
func endOne(ctx context.Context, opts *LogoutOptions, session *cliutil.Session) error {
	if err := session.Client.EndSession(ctx, opts.ID); err != nil {
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{"session": opts.ID, "ended": true})
	}
	opts.Out.Note("Ended %s; its token is refused from now on.", cliutil.Printable(opts.ID))
	return nil
}

// endAll ends all of the user's sessions but tokens, and forgets the one that is kept here.
func endAll(ctx context.Context, opts *LogoutOptions, session *cliutil.Session) error {
	ended, err := session.Client.EndSessions(ctx)
	if err != nil {
		return err
	}
	store, err := opts.Credentials()
	if err != nil {
		return err
	}
	if _, err := store.Delete(ctx, session.Ref); err != nil {
		opts.Out.Note("All sessions ended on the service, but this one could not be removed from %s.", session.Source)
		return err
	}
	if opts.Out.Structured() {
		return opts.Out.Object(map[string]any{
			"context": session.Ref.Context, "url": session.Ref.Origin, "signed_out": true, "ended": ended.Ended, "tokens": ended.Tokens,
		})
	}
	opts.Out.Note("Signed out of %s everywhere: %d sessions ended.", session.Ref.Origin, ended.Ended)
	if ended.Tokens > 0 {
		opts.Out.Note("%d tokens go on: `keyfob auth status --all` lists them, `keyfob auth logout --session ID` ends one.", ended.Tokens)
	}
	return nil
}

// isRefused says that the service takes the session for none.
func isRefused(err error) bool {
	var answered *client.Error
	return errors.As(err, &answered) && answered.Code == api.CodeUnauthenticated
}
