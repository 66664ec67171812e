// Package jobtoken finds the OIDC token by which a CI job proves what it is: in a file, in a variable, or at GitHub's endpoint.
//
// A token that was asked of GitHub is asked for one audience. Every wait is bounded, no redirect is followed, and no error holds a
// token. The package must not know the service that the token is for, nor where credentials are kept.
package jobtoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// The variables that are looked at, the strongest first.
const (
	FileVariable  = "KEYFOB_OIDC_TOKEN_FILE"
	TokenVariable = "KEYFOB_ID_TOKEN" // named so under id_tokens in .gitlab-ci.yml

	githubURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	githubToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// Kinds of source, as they are shown.
const (
	KindFile   = "file"
	KindGitLab = "gitlab-ci"
	KindGitHub = "github-actions"
)

const (
	maxToken = 16 << 10 // bytes
	maxReply = 64 << 10
	tries    = 3
	limit    = 20 * time.Second // of all tries
	limitOne = 8 * time.Second
	pause    = 500 * time.Millisecond
)

// Error says why there is no token; it holds none.
type Error struct{ Reason, Hint string }

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// Source is where the job's token is.
type Source struct {
	Kind   string
	Detail string // the path, or the name of the variable

	env func(string) string
}

// Find says where the job's token is; false: this is no job, or none that may have one. It reads nothing but the environment.
func Find(env func(string) string) (Source, bool) {
	for _, s := range []Source{
		{KindFile, env(FileVariable), env},
		{KindGitLab, TokenVariable, env},
		{KindGitHub, githubURL, env},
	} {
		present := env(s.Detail) != ""
		switch s.Kind {
		case KindFile:
			present = s.Detail != ""
		case KindGitHub:
			present = present && env(githubToken) != ""
		}
		if present {
			return s, true
		}
	}
	return Source{}, false
}

// Token returns the token. Where it is made for the asking it is for the audience alone.
func (s Source) Token(ctx context.Context, audience string) (string, error) {
	var (
		token string
		err   error
	)
	switch s.Kind {
	case KindFile:
		token, err = fromFile(s.Detail)
	case KindGitHub:
		token, err = s.fromGitHub(ctx, audience)
	default:
		token = strings.TrimSpace(s.env(TokenVariable))
	}
	if err == nil && (strings.Count(token, ".") != 2 || len(token) > maxToken || strings.ContainsAny(token, " \t\r\n")) {
		err = &Error{"what " + s.name() + " gives is no signed JWT", "see docs/trust.md for how a job gets its token"}
	}
	if err != nil {
		return "", err
	}
	return token, nil
}

func (s Source) name() string {
	switch s.Kind {
	case KindFile:
		return "the file of " + FileVariable
	case KindGitHub:
		return "GitHub"
	}
	return TokenVariable
}

func fromFile(path string) (string, error) {
	const hint = "let the job write its token there before keyfob runs"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &Error{"the file of " + FileVariable + " is not there: " + path, hint}
	case err != nil:
		return "", &Error{"the file of " + FileVariable + " can't be used: " + err.Error(), hint}
	case !info.Mode().IsRegular() || info.Size() > maxToken:
		return "", &Error{"what " + FileVariable + " names is no file with one token in it: " + path, hint}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", &Error{"the file of " + FileVariable + " can't be read: " + err.Error(), hint}
	}
	return strings.TrimSpace(string(text)), nil
}

// fromGitHub asks the runner's endpoint, a few times where it fails to answer: it is known to, now and then.
func (s Source) fromGitHub(ctx context.Context, audience string) (string, error) {
	at, err := requestURL(s.env(githubURL), audience)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for try := 1; ; try++ {
		token, again, err := s.ask(ctx, at)
		if err == nil || !again || try == tries {
			return token, err
		}
		timer := time.NewTimer(pause * time.Duration(try))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return "", err
		}
	}
}

// requestURL is the endpoint with the audience. It is https, or http on this machine, since a credential goes there.
func requestURL(raw, audience string) (string, error) {
	u, err := url.Parse(raw)
	bad := err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http"
	if !bad && u.Scheme == "http" {
		ip := net.ParseIP(u.Hostname())
		bad = ip == nil || !ip.IsLoopback()
	}
	if bad {
		return "", &Error{githubURL + " is no https URL", "leave it as GitHub Actions sets it"}
	}
	query := u.Query()
	query.Set("audience", audience)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// ask asks once, and says whether to ask again makes sense.
func (s Source) ask(ctx context.Context, at string) (token string, again bool, err error) {
	const permission = "give the job the permission: id-token: write"
	client := &http.Client{
		Timeout:       limitOne,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return "", false, &Error{githubURL + " is no https URL", "leave it as GitHub Actions sets it"}
	}
	req.Header.Set("Authorization", "Bearer "+s.env(githubToken))
	req.Header.Set("Accept", "application/json; api-version=2.0")
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return "", false, ctx.Err()
		}
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // *url.Error prints the whole URL
		}
		return "", true, &Error{"GitHub gave no token: " + err.Error(), "run the job again"}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil || len(body) > maxReply {
		return "", true, &Error{"GitHub gave no token: its answer can't be read", "run the job again"}
	}
	if resp.StatusCode != http.StatusOK {
		return "", resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests,
			&Error{fmt.Sprintf("GitHub gave no token: it answered %d", resp.StatusCode), permission}
	}
	var answer struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Value == "" {
		return "", false, &Error{"GitHub gave no token: its answer holds none", permission}
	}
	return answer.Value, false, nil
}
