package daemon

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"strings"
	"testing"
	"time"
)

func TestRoomFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files      uint64
		each, want int
	}{
		{0, 1, 1}, {1, 2, 1}, {100, 1, 50}, {256, 1, 128}, {1024, 1, 896}, {1024, 2, 448}, {math.MaxUint64, 1, connsMost}, {math.MaxUint64, 2, connsMost / 2},
	} {
		if got := roomFor(tt.files, tt.each); got != tt.want {
			t.Errorf("%d files, %d each: %d connections, want %d", tt.files, tt.each, got, tt.want)
		}
	}
}

// TestRoom: of three connections to a room for one each is taken once the one before has ended, however often that is closed.
func TestRoom(t *testing.T) {
	t.Parallel()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	r := newRoom(inner, 1, slog.New(slog.NewTextHandler(&log, nil)))
	accepted, ended := make(chan net.Conn), make(chan error, 1)
	go func() {
		for {
			c, err := r.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := (&net.Dialer{Timeout: wait}).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	var last net.Conn
	for range 3 {
		if last != nil {
			select {
			case <-accepted:
				t.Fatal("there are two")
			case <-time.After(20 * time.Millisecond):
			}
			_, _ = last.Close(), last.Close() // twice, as net/http may
		}
		last = <-accepted
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ends with %v", err)
	}
	if _, err := last.Write([]byte("x")); err != nil {
		t.Errorf("what is open ended with it: %v", err)
	}
	_ = last.Close()
	if strings.Count(log.String(), "connections=1") != 1 {
		t.Errorf("the log says %q", log.String())
	}
}

// TestRefusedUnread: who sends more than is read gets the answer, not a connection that was reset. net/http ends what it sends first.
func TestRefusedUnread(t *testing.T) {
	t.Parallel()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(inner, 1, slog.New(slog.DiscardHandler))
	defer func() { _ = r.Close() }()
	ends := make(chan error, 1)
	go func() {
		c, err := r.Accept()
		if err == nil {
			_, err = c.Write([]byte("no"))
		}
		if err == nil {
			err = c.(interface{ CloseWrite() error }).CloseWrite()
		}
		ends <- err // the connection is left open
	}()
	client, err := (&net.Dialer{Timeout: wait}).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	_ = client.SetDeadline(time.Now().Add(wait))
	if answer, err := io.ReadAll(client); err != nil || string(answer) != "no" {
		t.Errorf("got %q, %v, want the answer and its end", answer, err)
	}
	if err := <-ends; err != nil {
		t.Error(err)
	}
}
