package cliutil

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/internal/jobtoken"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// jobSession is the session that the token of a CI job was exchanged for: once a process, and kept nowhere else.
type jobSession struct {
	once  sync.Once
	token secret.Secret
	err   error
}

// job returns the session of the CI job that this process runs in. There is one only where KEYFOB_URL names the service and
// KEYFOB_TOKEN gives no session: a token never goes to a service that a file chose.
func (f *Factory) job(ctx context.Context, cfg *config.Config) (secret.Secret, credentials.Source, bool, error) {
	source, ok := jobtoken.Find(f.Env)
	url := f.Env("KEYFOB_URL")
	if !ok || url == "" || url != cfg.String(config.OptURL) || cfg.String(config.OptToken) != "" {
		return secret.Secret{}, credentials.Source{}, false, nil
	}
	f.exchanged.once.Do(func() { f.exchanged.token, f.exchanged.err = f.exchange(ctx, source, url, cfg.String(config.OptOrg)) })
	return f.exchanged.token, credentials.Source{Kind: credentials.Kind(source.Kind), Detail: source.Detail}, true, f.exchanged.err
}

func (f *Factory) exchange(ctx context.Context, source jobtoken.Source, url, org string) (secret.Secret, error) {
	c, err := f.NewClient(url, secret.Secret{})
	if err != nil {
		return secret.Secret{}, err
	}
	token, err := source.Token(ctx, c.Origin())
	if known, ok := errors.AsType[*jobtoken.Error](err); ok {
		return secret.Secret{}, &Error{Code: "no-job-token", Exit: ExitAuth, Message: known.Reason, Hint: known.Hint, Err: err}
	}
	if err != nil {
		return secret.Secret{}, err
	}
	out, err := c.ExchangeToken(ctx, token, org)
	answered, ok := errors.AsType[*client.Error](err)
	if ok && (answered.Code == api.Code(api.OAuthInvalidGrant) || answered.Status == http.StatusNotFound) {
		return out, &Error{
			Code: "job-not-trusted", Exit: ExitAuth, Message: c.Origin() + " did not take this job's token",
			Hint: "an owner or admin sees why with `keyfob events list --type trust`, and lets the job in with `keyfob trust create`",
			Err:  err, RequestID: answered.RequestID, Status: answered.Status,
		}
	}
	return out, err
}
