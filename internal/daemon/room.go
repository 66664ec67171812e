package daemon

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	ownFiles    = 128         // that are not connections of clients: database, logs, keys, connections that are made
	connsMost   = 1 << 20     // where files are not limited
	fullLogOnce = time.Minute // how often it is told that there is no room
)

// roomFor is how many connections there may be at once with that many open files, of which some must be left for work: a key could not
// be disabled otherwise by who is connected. each is how many files one takes.
func roomFor(files uint64, each int) int {
	left := files - min(files/2, ownFiles)
	return int(max(1, min(left, connsMost)/uint64(each))) //nolint:gosec // at most connsMost; each is 1 or 2
}

// room is a listener that takes no more connections than there is room for. The others wait in the kernel until one ends.
type room struct {
	net.Listener

	log   *slog.Logger
	slots chan struct{} // a token for each connection
	done  chan struct{}
	once  sync.Once
	told  time.Time // when it was last said that it is full; of the one that accepts
}

func newRoom(l net.Listener, most int, log *slog.Logger) *room {
	return &room{Listener: l, log: log, slots: make(chan struct{}, most), done: make(chan struct{})}
}

// Accept implements net.Listener.
func (r *room) Accept() (net.Conn, error) {
	select {
	case r.slots <- struct{}{}:
	default:
		r.full()
		select {
		case r.slots <- struct{}{}:
		case <-r.done:
			return nil, net.ErrClosed
		}
	}
	c, err := r.Listener.Accept()
	if err != nil {
		<-r.slots
		return nil, err //nolint:wrapcheck // net/http looks at it
	}
	return &roomConn{Conn: c, leave: sync.OnceFunc(func() { <-r.slots })}, nil
}

func (r *room) full() {
	if now := time.Now(); now.Sub(r.told) >= fullLogOnce {
		r.told = now
		r.log.Warn("there are as many connections as there may be: more wait until one ends; raise the limit of open files (LimitNOFILE, ulimit -n)",
			"connections", cap(r.slots))
	}
}

// Close implements net.Listener.
func (r *room) Close() error {
	r.once.Do(func() { close(r.done) })
	return r.Listener.Close() //nolint:wrapcheck // as it says
}

type roomConn struct {
	net.Conn

	leave func()
}

// CloseWrite ends what is sent. net/http does that before it closes a connection whose request it refused unread: else the client would
// find the connection reset in place of the answer.
func (c *roomConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // as it says
	}
	return nil
}

// Close implements net.Conn.
func (c *roomConn) Close() error {
	defer c.leave()
	return c.Conn.Close() //nolint:wrapcheck // as it says
}
