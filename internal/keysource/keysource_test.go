package keysource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	kept, current := secret.New(secret.Key), secret.New(secret.Key)
	self := func(id string, state api.SecretState, err error) func() (api.Self, error) {
		return func() (api.Self, error) {
			return api.Self{Key: api.Key{ID: id}, Secret: api.SecretInfo{State: state}}, err
		}
	}
	answered := func(status int, code api.Code) error {
		return &client.Error{Status: status, Code: code, Message: "message of " + string(code)}
	}
	away := &client.UnreachableError{Origin: "https://x", Err: errors.New("refused")}
	none, broken := errors.New("none is kept"), errors.New("no room")
	enabled, disabled := api.Key{Name: "ci", Status: api.StatusEnabled}, api.Key{Name: "ci", Status: api.StatusDisabled}
	for name, tc := range map[string]struct {
		keptErr   error
		self      func() (api.Self, error)
		key       api.Key
		revealErr error
		keepErr   error

		want    secret.Secret // zero: an error
		wantErr string
		reveals int
		note    string
	}{
		"kept and current":               {self: self("key_1", api.SecretCurrent, nil), want: kept},
		"kept, service away":             {self: self("", "", away), want: kept, note: "could not be asked"},
		"kept, service ill":              {self: self("", "", answered(503, "")), want: kept, note: "could not be asked"},
		"kept, too many":                 {self: self("", "", answered(429, "")), want: kept, note: "could not be asked"},
		"kept, something else answers":   {self: self("", "", answered(200, client.CodeOddAnswer)), want: kept, note: "could not be asked"},
		"kept, retiring":                 {self: self("key_1", api.SecretRetiring, nil), key: enabled, want: current, reveals: 1},
		"kept, next":                     {self: self("key_1", api.SecretNext, nil), key: enabled, want: current, reveals: 1},
		"kept, of another key":           {self: self("key_2", api.SecretCurrent, nil), key: enabled, want: current, reveals: 1},
		"kept, retired":                  {self: self("", "", answered(401, api.CodeUnauthenticated)), key: enabled, want: current, reveals: 1},
		"kept, forbidden":                {self: self("", "", answered(403, api.CodeForbidden)), key: enabled, want: current, reveals: 1},
		"kept, its version expired":      {self: self("", "", answered(401, api.CodeKeyExpired)), key: enabled, want: current, reveals: 1},
		"kept, retiring, not signed in":  {self: self("key_1", api.SecretRetiring, nil), revealErr: none, want: kept, reveals: 1, note: "the one before it is used"},
		"kept, retiring, then disabled":  {self: self("key_1", api.SecretRetiring, nil), key: disabled, wantErr: "the key ci is disabled", reveals: 1},
		"kept, retired, not signed in":   {self: self("", "", answered(401, api.CodeUnauthenticated)), revealErr: none, wantErr: none.Error(), reveals: 1},
		"kept, key disabled":             {self: self("", "", answered(401, api.CodeKeyDisabled)), wantErr: "message of key-disabled"},
		"kept, key deleted":              {self: self("", "", answered(401, api.CodeUnauthenticated)), revealErr: answered(404, api.CodeKeyNotFound), wantErr: "message of key-not-found", reveals: 1},
		"none kept":                      {keptErr: none, key: enabled, want: current, reveals: 1},
		"none kept, key disabled":        {keptErr: none, key: disabled, wantErr: "the key ci is disabled", reveals: 1},
		"none kept, service away":        {keptErr: none, revealErr: away, wantErr: "can't reach https://x: refused", reveals: 1},
		"none kept, and none can be put": {keptErr: none, key: enabled, keepErr: broken, want: current, reveals: 1, note: "is not kept on this machine: no room"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var notes []string
			var put []secret.Secret
			reveals := 0
			s := &Source{
				Key:  "key_1",
				Kept: func(context.Context) (secret.Secret, error) { return kept, tc.keptErr },
				Self: func(_ context.Context, asked secret.Secret) (api.Self, error) {
					if asked != kept {
						t.Errorf("asked about %s", asked)
					}
					return tc.self()
				},
				Reveal: func(context.Context) (api.Key, secret.Secret, error) {
					reveals++
					return tc.key, current, tc.revealErr
				},
				Keep: func(_ context.Context, s secret.Secret) error {
					put = append(put, s)
					return tc.keepErr
				},
				Note: func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) },
			}
			got, err := s.Secret(t.Context())
			if got.Secret != tc.want || (err != nil) != tc.want.IsZero() || err != nil && err.Error() != tc.wantErr {
				t.Errorf("got %v, %v", got.Secret, err)
			}
			if reveals != tc.reveals {
				t.Errorf("revealed %d times", reveals)
			}
			if wantPut := tc.want == current && !tc.want.IsZero(); (len(put) == 1) != wantPut {
				t.Errorf("kept %d times", len(put))
			}
			if said := strings.Join(notes, "\n"); (tc.note == "") != (said == "") || !strings.Contains(said, tc.note) {
				t.Errorf("said %q", said)
			}
		})
	}
}

// TestNothingKept holds that a source without a place for copies asks each time.
func TestNothingKept(t *testing.T) {
	t.Parallel()
	want := secret.New(secret.Key)
	s := &Source{Key: "key_1", Reveal: func(context.Context) (api.Key, secret.Secret, error) {
		return api.Key{Status: api.StatusEnabled}, want, nil
	}}
	if got, err := s.Secret(t.Context()); err != nil || got.Secret != want || got.Self != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
