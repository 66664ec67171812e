package daemon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/server"
)

// listen opens the address before anything is made in the data directory, so that a taken port leaves no trace there.
func listen(ctx context.Context, opts *ServeOptions) (net.Listener, error) {
	listener, err := listenAt(ctx, "--listen", opts.Listen)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(listener.Addr().String())
	if !opts.InsecureHTTP && !opts.tls() && !isLoopback(host) { // localhost is a name, and names can be given to any address
		return nil, errors.Join(insecure(listener.Addr().String()), listener.Close())
	}
	return listener, nil
}

func listenAt(ctx context.Context, flag, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	const windowsAddressInUse = syscall.Errno(10048) // WSAEADDRINUSE
	switch {
	case errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windowsAddressInUse):
		return nil, &cliutil.Error{
			Code: "address-in-use", Exit: cliutil.ExitConflict, Err: err,
			Message: address + " is in use by another program",
			Hint:    "choose another address, such as " + flag + " 127.0.0.1:0 for any free port",
		}
	case err != nil:
		return nil, &cliutil.Error{
			Code: "cannot-listen", Exit: cliutil.ExitFailed, Err: err,
			Message: "can't listen: " + err.Error(), Hint: "choose another address with " + flag,
		}
	}
	return listener, nil
}

// serveMetrics answers scrapes until ctx ends.
func (s service) serveMetrics(ctx context.Context, h http.Handler) {
	own := server.NewHTTPServer(h, s.log)
	end := context.AfterFunc(ctx, func() { _ = own.Close() })
	defer end()
	if err := own.Serve(s.metrics); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("metrics are no longer served", "error", err)
	}
}

// address is where programs on this machine reach the service: with TLS, only by a name that the certificate has.
func (s service) address() *url.URL {
	at := &url.URL{Scheme: "http", Host: s.listener.Addr().String()}
	named := true
	if s.pair != nil {
		at.Scheme, named = "https", s.pair.names(hostOf(at.Host))
	}
	if s.public == nil || s.isLocal() && named {
		return at
	}
	return s.public
}

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}

func (s service) isLocal() bool {
	host, _, err := net.SplitHostPort(s.listener.Addr().String())
	return err == nil && isLoopback(host)
}

// hosts are the hosts that requests may name.
func (s service) hosts() []string {
	var hosts []string
	if s.isLocal() {
		hosts = []string{"127.0.0.1", "::1", "localhost"}
	}
	if s.public != nil {
		hosts = append(hosts, s.public.Hostname())
	}
	return hosts
}
