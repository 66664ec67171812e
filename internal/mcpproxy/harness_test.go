package mcpproxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/keyfob/keyfob/pkg/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient is for a loaded machine; nothing that works takes as long.
const patient = 20 * time.Second

// serve runs a handler that every request must show the current secret to.
type gatekeeper struct {
	mu      sync.Mutex
	current secret.Secret
	fetched int
	fails   error
	next    http.Handler
	url     string
}

func serve(t *testing.T, next http.Handler) *gatekeeper {
	t.Helper()
	g := &gatekeeper{current: secret.New(secret.Key), next: next}
	server := httptest.NewServer(g)
	g.url = server.URL + "/mcp?tenant=hushhush"
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return g
}

func (g *gatekeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	ok := r.Header.Get("Authorization") == "Bearer "+g.current.Reveal()
	next := g.next
	g.mu.Unlock()
	if !ok {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	next.ServeHTTP(w, r)
}

func (g *gatekeeper) access(context.Context, secret.Secret) (Access, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fetched++
	return Access{g.url, g.current}, g.fails
}

func (g *gatekeeper) rotate() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current = secret.New(secret.Key)
}

// bridged is a running bridge.
type bridged struct {
	t     *testing.T
	in    *io.PipeWriter
	out   *io.PipeReader
	lines *bufio.Reader
	done  chan error
	stop  context.CancelFunc
	mu    sync.Mutex
	notes []string
}

func start(t *testing.T, access func(context.Context, secret.Secret) (Access, error)) *bridged {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	b := &bridged{t: t, in: inW, out: outR, lines: bufio.NewReaderSize(outR, 1<<20), done: make(chan error, 1), stop: stop}
	go func() {
		err := Run(ctx, Config{In: inR, Out: outW, Access: access, Agent: "keyfob/test", Note: b.note, backoff: time.Millisecond})
		_ = outW.Close()
		b.done <- err
	}()
	t.Cleanup(func() {
		stop()
		_ = inW.Close()
		_ = outR.Close()
	})
	return b
}

func (b *bridged) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// send writes lines as a client does.
func (b *bridged) send(lines ...string) {
	b.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(b.in, l+"\n"); err != nil {
			b.t.Fatal(err)
		}
	}
}

// reply is a line of the bridge.
type reply struct {
	ID     any            `json:"id"`
	Method string         `json:"method"`
	Result map[string]any `json:"result"`
	Error  *rpcError      `json:"error"`
	line   string
}

func (b *bridged) next() reply {
	b.t.Helper()
	timer := time.AfterFunc(patient, func() { _ = b.out.CloseWithError(errors.New("nothing came")) })
	defer timer.Stop()
	line, err := b.lines.ReadString('\n')
	if err != nil {
		b.t.Fatalf("%q, %v", line, err)
	}
	r := reply{line: line}
	if err := json.Unmarshal([]byte(line), &r); err != nil || !strings.HasPrefix(line, `{"jsonrpc":"2.0"`) {
		b.t.Fatalf("no JSON-RPC: %q: %v", line, err)
	}
	return r
}

// end closes stdin and waits.
func (b *bridged) end() error {
	b.t.Helper()
	_ = b.in.Close()
	go func() { _, _ = io.Copy(io.Discard, b.lines) }()
	return b.wait()
}

func (b *bridged) wait() error {
	b.t.Helper()
	select {
	case err := <-b.done:
		return err
	case <-time.After(patient):
		b.t.Fatal("the bridge does not end")
		return nil
	}
}

// connect has the SDK's client talk through a bridge.
func (g *gatekeeper) connect(t *testing.T, opts *mcp.ClientOptions, version string) (*mcp.ClientSession, *bridged) {
	t.Helper()
	b := start(t, g.access)
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, opts)
	client.AddRoots(&mcp.Root{URI: "file:///home/ada"}) //nolint:staticcheck // deprecated, and spoken for another year
	session, err := client.Connect(t.Context(), &mcp.IOTransport{Reader: b.out, Writer: b.in}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = session.Close()
		if err := b.wait(); err != nil {
			t.Error(err)
		}
	})
	return session, b
}

func initialize(id string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
}

const initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
