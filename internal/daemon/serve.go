package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/internal/server"
	"github.com/keyfob/keyfob/internal/server/mcpgateway"
	"github.com/keyfob/keyfob/pkg/api"
)

// drainTimeout is for how long requests that run may go on once the service is to stop.
const drainTimeout = 10 * time.Second

// serveRun serves until ctx ends, or, with ExitWithParent, until In does; then it stops gracefully and returns nil.
func serveRun(ctx context.Context, opts *ServeOptions) (err error) {
	public, joins, err := opts.whole()
	if err != nil {
		return err
	}
	if opts.PrintConfig {
		return printConfig(opts)
	}
	pair, err := openCertificate(opts)
	if err != nil {
		return err
	}
	// A log that nobody reads any more must not end the service before it has stopped in order.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := untilHangUp(ctx, pair)
	defer stop()
	if opts.ExitWithParent {
		go func() { // ends with In; nothing else ends a read
			_, _ = io.Copy(io.Discard, opts.In)
			stop()
		}()
	}
	dir, err := openDataDir(opts.DataDir)
	if err != nil {
		return err
	}
	unlock, err := dir.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	listener, err := listen(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // again after http.Server, if it got that far

	log := opts.log()
	var metrics net.Listener
	if opts.MetricsListen != "" {
		if metrics, err = listenAt(ctx, "--metrics-listen", opts.MetricsListen); err != nil {
			return err
		}
		defer func() { _ = metrics.Close() }()
	}

	own := service{listener: listener, public: public}
	tokens := openid.NewJobs(nil, public == nil && own.isLocal() || public != nil && isLoopback(public.Hostname()))
	cfg := core.Config{Passwords: opts.SignIn.Issuer == "", Joins: joins, Tokens: tokens, Now: opts.Now, Log: log}
	if opts.Database != "" {
		host, _ := os.Hostname() // for people alone
		cfg.Replica, cfg.Version = host+" "+listener.Addr().String(), opts.Version
	}
	d, err := openDomain(ctx, dir, opts.Database, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, notStopped(d.close(ctx))) }()

	return serveDomain(ctx, opts, service{dir: dir, domain: d, listener: listener, metrics: metrics, pair: pair, public: public, delay: opts.drainDelay(), log: log})
}

// untilHangUp is ctx, which SIGHUP ends, too, unless it has the pair read anew or is ignored, as under nohup.
func untilHangUp(ctx context.Context, pair *certificate) (context.Context, context.CancelFunc) {
	if pair != nil || signal.Ignored(syscall.SIGHUP) {
		return context.WithCancel(ctx)
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// service is what serves: all parts open, nothing said to anybody yet.
type service struct {
	dir      dataDir
	domain   *domain
	listener net.Listener
	metrics  net.Listener  // of /metrics alone; nil: it is on listener
	pair     *certificate  // nil: no TLS
	public   *url.URL      // nil: where it listens
	delay    time.Duration // between the end of readiness and that of the listener
	log      *slog.Logger
}

func serveDomain(ctx context.Context, opts *ServeOptions, s service) (err error) {
	address := s.address()
	public := s.public
	if public == nil {
		public = address
	}
	people, err := opts.SignIn.pages(s.domain.core, public, opts.Now, s.log)
	if err != nil {
		return err
	}
	upstream, err := opts.upstream()
	if err != nil {
		return err
	}
	var gateway *mcpgateway.Gateway
	files := 1 // that a connection takes
	if upstream != nil {
		files = 2 // one to the server behind
		gateway = mcpgateway.New(upstream, public, s.log)
	}
	s.listener = newRoom(s.listener, roomFor(openFiles(), files), s.log)
	var expires func() time.Time
	if s.pair != nil {
		expires = s.pair.expires
	}
	handler := server.New(server.Config{ //nolint:contextcheck // a scrape is nobody's request
		TLSExpires:   expires,
		LocalMetrics: s.metrics == nil,
		Core:         s.domain.core,
		PublicURL:    public,
		Pages:        people,
		MCP:          api.MCPServer{Name: opts.MCPName, URL: public.JoinPath("mcp").String()},
		Gateway:      gateway,
		Proxies:      opts.proxies(),
		AllowedHosts: s.hosts(),
		Version:      opts.Version,
		Log:          s.log,
	})
	withdraw, err := s.dir.announce(serviceDoc{
		URL: address.String(), PublicURL: public.String(), Listen: reachable(s.listener.Addr().String()), TLS: s.pair != nil,
		PID: os.Getpid(), Version: opts.Version,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, withdraw()) }()
	s.log.Info("serving", "url", address.String(), "public_url", public.String(), "data_dir", string(s.dir), "version", opts.Version)
	if s.metrics != nil {
		s.log.Info("metrics", "url", "http://"+s.metrics.Addr().String()+"/metrics")
	}
	link, err := s.setUpLink(ctx, opts, public)
	if err != nil {
		return err
	}
	if err := say(opts, address.String(), link, s.dir); err != nil {
		return err
	}
	beside, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	if s.pair != nil {
		running.Go(func() { s.pair.watch(beside, cmp.Or(opts.reloadEvery, reloadEvery), s.log) })
	}
	if s.metrics != nil {
		running.Go(func() { s.serveMetrics(beside, handler.MetricsHandler()) })
	}
	return s.serve(ctx, handler)
}

// serve answers requests until ctx ends, then lets those that run finish.
func (s service) serve(ctx context.Context, handler *server.Server) error {
	httpServer := server.NewHTTPServer(handler, s.log)
	ended := make(chan error, 1)
	go func() {
		if s.pair == nil {
			ended <- httpServer.Serve(s.listener)
			return
		}
		httpServer.TLSConfig = s.pair.config()
		ended <- httpServer.ServeTLS(s.listener, "", "")
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("stopping", "drain_delay", s.delay)
	handler.Unready()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(s.delay):
	}
	handler.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := httpServer.Shutdown(drain); err != nil {
		s.log.Warn("requests were cut off", "error", err, "after", drainTimeout)
		_ = httpServer.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// setUpLink is a new link by which the first account is made, empty when there is one or none is wanted.
func (s service) setUpLink(ctx context.Context, opts *ServeOptions, public *url.URL) (string, error) {
	if !opts.SetupLink {
		return "", nil
	}
	token, ok, err := s.domain.core.OpenFirstSetUp(ctx)
	if err != nil || !ok {
		return "", err
	}
	return setUpURL(public, token), nil
}

// say tells whoever started the process where it listens and, while there is no account, by which link the first is made. The
// link is a secret for a person: it goes where they look, and into no log.
func say(opts *ServeOptions, address, link string, dir dataDir) error {
	line := "keyfobd listens on " + address
	if link != "" && !opts.JSON {
		if _, err := fmt.Fprintf(opts.ErrOut, "no account exists yet; make the first one within 24 hours at:\n%s\n", link); err != nil {
			return fmt.Errorf("print the set-up link: %w", err)
		}
	}
	if opts.JSON {
		type info struct {
			URL     string `json:"url"`
			DataDir string `json:"data_dir"`
			PID     int    `json:"pid"`
			Setup   string `json:"setup_url,omitempty"`
		}
		doc, err := json.Marshal(struct {
			Service info `json:"service"`
		}{info{address, string(dir), os.Getpid(), link}})
		if err != nil {
			return fmt.Errorf("encode the address: %w", err)
		}
		line = string(doc)
	}
	if _, err := io.WriteString(opts.Out, line+"\n"); err != nil {
		return fmt.Errorf("say where it listens: %w", err)
	}
	return nil
}
