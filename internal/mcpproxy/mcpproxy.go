// Package mcpproxy carries MCP between a client that speaks it over stdin and stdout and a server that speaks Streamable HTTP. It
// passes messages on as they are, both ways, and adds what the transport asks for: key, session, revision, routing headers.
//
// The official SDK would cost the CLI a quarter of its start. Neither side is trusted: messages are bounded, redirects are refused,
// every wait but that for stdin and for an open stream has a deadline, and whatever goes wrong ends as the JSON-RPC error of the
// request that it concerns. The package must not know contexts, credentials, AI clients or the API of the service.
//
// Rules are from the MCP specification, "Transports", 2025-11-25 and 2026-07-28.
package mcpproxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/keyfob/keyfob/internal/mcpwire"
	"github.com/keyfob/keyfob/pkg/secret"
)

const (
	maxMessage = 16 << 20 // bytes, either way
	maxPending = 256      // requests in flight

	headerTimeout = 5 * time.Minute  // until the answer to a request begins: a tool may work for as long
	briefTimeout  = 20 * time.Second // until the answer to everything else has come
	endTimeout    = 2 * time.Second  // for saying goodbye
	drainTimeout  = 2 * time.Second  // for requests in flight when stdin ends
)

// Config is what a bridge is told.
type Config struct {
	In  io.Reader
	Out io.Writer
	// Access says where the server is and with which secret it is called. refused is the secret that the server has just refused; zero:
	// it is the first time. Its errors are told to the client: they hold no secret and name the fix. Calls come one at a time.
	Access func(ctx context.Context, refused secret.Secret) (Access, error)
	// Agent is how the bridge introduces itself to the server.
	Agent string
	// Note tells a person in one line what happened beside the protocol.
	Note func(format string, args ...any)

	// backoff is how long to wait before a stream is opened again the first time; 0: a second.
	backoff time.Duration
}

// Access is a server and the secret that opens it. The secret goes to that server alone.
type Access struct {
	URL    string
	Secret secret.Secret
}

// bridge is one connection of one client.
type bridge struct {
	Config

	http *http.Client
	ctx  context.Context // the connection's life: the server's own stream outlasts what opened it

	outMu  sync.Mutex
	broken context.CancelCauseFunc // ends the connection; its cause is what Run returns

	accessMu sync.Mutex // held while the secret is fetched, so that many refusals fetch it once
	access   Access

	helloMu sync.Mutex // held while the handshake is made again

	mu      sync.Mutex
	pending map[string]*call
	wire    wireState
	hello   message // the client's handshake
	heard   int     // the round whose stream was opened
	tools   map[string][]binding
	streams sync.WaitGroup // requests and streams
	drained sync.WaitGroup // requests that end by themselves
}

// Run carries messages until In ends or ctx is cancelled, ends the session and returns nil; any other error is that of Out.
func Run(ctx context.Context, cfg Config) error {
	ctx, broken := context.WithCancelCause(ctx)
	defer broken(nil)
	b := &bridge{
		Config: cfg, ctx: ctx, broken: broken, http: mcpwire.Client(http.Client{Transport: transport()}),
		pending: map[string]*call{}, tools: map[string][]binding{},
	}
	defer b.http.CloseIdleConnections()
	lines := make(chan line)
	go read(ctx, cfg.In, lines)
	for {
		select {
		case <-ctx.Done():
			return b.end(ctx)
		case l, ok := <-lines:
			if !ok {
				b.drain(ctx)
				return b.end(ctx)
			}
			b.handle(ctx, l)
		}
	}
}

// transport is Go's own with limits, without compression (which holds streams back), and with room for calls side by side.
func transport() http.RoundTripper {
	base, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := base.Clone()
	t.MaxResponseHeaderBytes, t.DisableCompression, t.MaxIdleConnsPerHost = 64<<10, true, 16
	return t
}

// drain waits for the requests in flight: who pipes messages in wants their answers.
func (b *bridge) drain(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		b.drained.Wait()
		close(done)
	}()
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// end closes the session, so that the server need not keep it until it times out, and waits for all that is under way.
func (b *bridge) end(ctx context.Context) error {
	cause := context.Cause(ctx)
	if wire := b.state(); wire.session != "" {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		b.accessMu.Lock()
		access := b.access
		b.accessMu.Unlock()
		if resp, err := b.do(limited, http.MethodDelete, access, outgoing{wire: wire}); err == nil {
			_ = resp.Body.Close()
		}
	}
	b.broken(nil)
	b.streams.Wait()
	if out, ok := errors.AsType[*outError](cause); ok {
		return out.err
	}
	return nil
}

// line is one line of stdin.
type line struct {
	text []byte
	long bool // it was longer than a message may be; text is empty
}

// read sends the lines of stdin until it ends. A read can't be cancelled, so that this outlasts a bridge whose stdin stays open.
func read(ctx context.Context, in io.Reader, lines chan<- line) {
	defer close(lines)
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		l, err := readLine(r)
		if len(bytes.TrimSpace(l.text)) > 0 || l.long {
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads one line; the rest of one that is too long is read and forgotten.
func readLine(r *bufio.Reader) (l line, err error) {
	for {
		part, err := r.ReadSlice('\n')
		switch {
		case len(l.text)+len(part) > maxMessage:
			l.text, l.long = nil, true
		case !l.long:
			l.text = append(l.text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l, err
		}
	}
}

// outError says that the client no longer reads.
type outError struct{ err error }

func (e *outError) Error() string { return e.err.Error() }

// write sends one message to the client, on one line.
func (b *bridge) write(message []byte) {
	var buf bytes.Buffer
	buf.Grow(len(message) + 1)
	if err := compact(&buf, message); err != nil {
		return // it was parsed before
	}
	buf.WriteByte('\n')
	b.outMu.Lock()
	defer b.outMu.Unlock()
	if _, err := b.Out.Write(buf.Bytes()); err != nil {
		b.broken(&outError{err})
	}
}
