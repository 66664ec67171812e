package auth

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestReadToken(t *testing.T) {
	t.Parallel()
	session, key := secret.New(secret.Session).Reveal(), secret.New(secret.Key).Reveal()
	wrong := session[:len(session)-1] + "!"
	for name, tc := range map[string]struct{ in, want string }{
		"a token":          {session, ""},
		"with a newline":   {session + "\r\n", ""},
		"with a space":     {"  " + session + "\n", ""},
		"empty":            {"", "stdin is empty"},
		"blank":            {"\n \n", "stdin is empty"},
		"two lines":        {session + "\n" + session + "\n", "more than one line"},
		"too long":         {strings.Repeat("x", 5000), "more than a session token"},
		"a key":            {key, "a key's secret"},
		"a hint":           {"kfs_…abcd", "no session token"},
		"one wrong letter": {wrong, "no session token"},
	} {
		streams, in, _, _ := cliutil.TestStreams()
		in.WriteString(tc.in)
		got, err := readToken(t.Context(), &cliutil.Output{IO: streams})
		if tc.want == "" {
			if err != nil || got.Reveal() != session {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var usage *cliutil.Error
		if !errors.As(err, &usage) || usage.Exit != cliutil.ExitUsage || !strings.Contains(usage.Message, tc.want) || usage.Hint == "" {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if err != nil && (strings.Contains(err.Error(), session[4:20]) || strings.Contains(err.Error(), key[4:20])) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

func TestReadTokenStops(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := readToken(ctx, &cliutil.Output{IO: &cliutil.IOStreams{In: reader}}); !errors.Is(err, cliutil.ErrCancelled) {
		t.Errorf("cancelled: %v", err)
	}
	_, err := readToken(t.Context(), &cliutil.Output{IO: &cliutil.IOStreams{In: reader, InTTY: true}, NoInput: true})
	if err == nil || !strings.Contains(err.Error(), "--no-input") {
		t.Errorf("a terminal with --no-input: %v", err)
	}
}
