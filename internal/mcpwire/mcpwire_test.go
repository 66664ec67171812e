package mcpwire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/mcpwire"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stream string
		want   []string // data, id and wait of each event
		err    error
	}{
		"data":              {"data: a\n\ndata:b\n\n", []string{"a||0s", "b||0s"}, nil},
		"two lines":         {"data: a\ndata: b\n\n", []string{"a\nb||0s"}, nil},
		"crlf":              {"data: a\r\n\r\n", []string{"a||0s"}, nil},
		"byte order mark":   {"\ufeffdata: a\n\n", []string{"a||0s"}, nil},
		"id stays":          {"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", []string{"a|1|0s", "b|1|0s", "c||0s"}, nil},
		"id alone":          {"id: 1\n\n", []string{"|1|0s"}, nil},
		"id with a control": {"id: 1\ndata: a\n\nid: \x002\ndata: b\n\n", []string{"a|1|0s", "b|1|0s"}, nil},
		"id that is long":   {"id: " + strings.Repeat("x", 2000) + "\ndata: a\n\n", []string{"a||0s"}, nil},
		"wait":              {"retry: 1500\ndata: a\n\n", []string{"a||1.5s"}, nil},
		"wait for ages":     {"retry: 2000000000\ndata: a\n\n", []string{"a||1m0s"}, nil},
		"wait for nonsense": {"retry: -1\ndata: a\n\nretry: soon\ndata: b\n\n", []string{"a||0s", "b||0s"}, nil},
		"message":           {"event: message\ndata: a\n\n", []string{"a||0s"}, nil},
		"another type":      {"event: prime\nid: 1\ndata: a\n\n", []string{"|1|0s"}, nil},
		"comments":          {": x\n\n:\n\nother: y\n\n", nil, nil},
		"cut":               {"data: a\n\ndata: b\n", []string{"a||0s"}, nil},
		"as large as may":   {"data: " + strings.Repeat("x", 58) + "\n\n", []string{strings.Repeat("x", 58) + "||0s"}, nil},
		"a long line":       {"data: " + strings.Repeat("x", 100) + "\n\n", nil, mcpwire.ErrTooLarge},
		"many lines":        {strings.Repeat("data: "+strings.Repeat("x", 50)+"\n", 3) + "\n", nil, mcpwire.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			done, err := mcpwire.Events(strings.NewReader(tc.stream), 64, func(e mcpwire.Event) (bool, error) {
				got = append(got, fmt.Sprintf("%s|%s|%s", e.Data, e.ID, e.Retry))
				return false, nil
			})
			if done || !errors.Is(err, tc.err) || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %q, %v, %v", got, done, err)
			}
		})
	}
}

func TestEventsEnd(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	n := 0
	done, err := mcpwire.Events(strings.NewReader("data: a\n\ndata: b\n\n"), 64, func(mcpwire.Event) (bool, error) { n++; return true, nil })
	if !done || err != nil || n != 1 {
		t.Errorf("%d events, %v, %v", n, done, err)
	}
	if done, err := mcpwire.Events(strings.NewReader("data: a\n\n"), 64, func(mcpwire.Event) (bool, error) { return false, stop }); done || !errors.Is(err, stop) {
		t.Errorf("%v, %v", done, err)
	}
	broken := io.MultiReader(strings.NewReader("data: a\n"), failing{stop})
	if done, err := mcpwire.Events(broken, 64, nil); done || !errors.Is(err, stop) {
		t.Errorf("%v, %v", done, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestCapped(t *testing.T) {
	t.Parallel()
	if got, err := io.ReadAll(mcpwire.Capped(strings.NewReader("12345"), 5)); err != nil || string(got) != "12345" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := io.ReadAll(mcpwire.Capped(strings.NewReader("123456"), 5)); !errors.Is(err, mcpwire.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

func TestSessionID(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{"": true, "a-1~!": true, "a b": false, "é": false, "\x7f": false, strings.Repeat("x", 256): true, strings.Repeat("x", 257): false} {
		got, err := mcpwire.SessionID(http.Header{mcpwire.SessionHeader: {id}})
		if (err == nil) != ok || ok && got != id {
			t.Errorf("%q: %q, %v", id, got, err)
		}
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, end := context.WithCancelCause(t.Context())
	end(mcpwire.ErrTimeout)
	past, stop := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer stop()
	other := errors.New("https://user:secret@example.com")
	for _, tc := range []struct {
		ctx  context.Context
		err  error
		want error
	}{
		{cancelled, other, context.Canceled},
		{late, other, mcpwire.ErrTimeout},
		{past, other, mcpwire.ErrTimeout},
		{t.Context(), other, mcpwire.ErrUnreachable},
		{t.Context(), io.ErrUnexpectedEOF, mcpwire.ErrUnreachable},
		{t.Context(), mcpwire.ErrTooLarge, mcpwire.ErrTooLarge},
		{t.Context(), http.ErrSchemeMismatch, mcpwire.ErrUnreachable},
	} {
		if got := mcpwire.Reason(tc.ctx, tc.err); !errors.Is(got, tc.want) || strings.Contains(got.Error(), "secret") {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}
