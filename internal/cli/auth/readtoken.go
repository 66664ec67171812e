package auth

import (
	"context"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/secret"
)

// readToken reads a session token from stdin.
func readToken(ctx context.Context, out *cliutil.Output) (secret.Secret, error) {
	text, err := cliutil.ReadSecret(ctx, out, "session token")
	if err != nil {
		return secret.Secret{}, err
	}
	if _, err := secret.Parse(secret.Key, text); err == nil {
		return secret.Secret{}, badToken("a key calls the API; to sign in, use a session token", "this is a key's secret (kf_…), not a session token (kfs_…)")
	}
	token, err := secret.Parse(secret.Session, text)
	if err != nil {
		return secret.Secret{}, badToken("pipe one session token (kfs_…) into the command", "this is no session token: %v", err)
	}
	return token, nil
}

func badToken(hint, format string, args ...any) *cliutil.Error {
	e := cliutil.UsageError(format, args...)
	e.Code, e.Hint = "invalid-secret", hint
	return e
}
