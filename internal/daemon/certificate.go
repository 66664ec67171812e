package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
)

const (
	reloadEvery = 10 * time.Second
	maxPEM      = 1 << 20 // of one file, in bytes
)

// certificate is the pair that the service shows. It is read anew when its files change; a pair that can't be used leaves the
// one before in place.
type certificate struct {
	certFile, keyFile string

	current atomic.Pointer[tls.Certificate]
	seen    [2]stamp // of the files at the last attempt
}

// stamp is by what a change of a file is seen.
type stamp struct {
	changed time.Time
	size    int64
}

// openCertificate reads the pair of the options, nil if there is none.
func openCertificate(o *ServeOptions) (*certificate, error) {
	if !o.tls() {
		return nil, nil //nolint:nilnil // none was asked for
	}
	c := &certificate{certFile: o.TLSCert, keyFile: o.TLSKey}
	return c, c.load()
}

func (c *certificate) load() error {
	c.seen = c.stamps()
	refuse := func(path, what, hint string, err error) error {
		return &cliutil.Error{Code: "tls-unusable", Exit: cliutil.ExitFailed, Err: err, Message: path + " " + what, Hint: hint}
	}
	cert, err := readAtMost(c.certFile, maxPEM)
	if err != nil {
		return refuse(c.certFile, "can't be read: "+reasonOf(err), "--tls-cert names a file with the certificate in PEM", err)
	}
	key, err := readAtMost(c.keyFile, maxPEM)
	if err != nil {
		return refuse(c.keyFile, "can't be read: "+reasonOf(err), "--tls-key names a file with the certificate's key in PEM, for its owner alone", err)
	}
	if info, err := os.Stat(c.keyFile); err != nil || info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		mode := fs.FileMode(0)
		if err == nil {
			mode = info.Mode().Perm()
		}
		return refuse(c.keyFile, fmt.Sprintf("can be read by other users (mode %04o)", mode), fmt.Sprintf("chmod 600 %q", c.keyFile), err)
	}
	pair, err := tls.X509KeyPair(cert, key) // its errors hold nothing of the key
	if err != nil {
		return refuse(c.certFile, fmt.Sprintf("and %s are no pair: %s", c.keyFile, cliutil.Printable(err.Error())),
			"give the certificate, with those above it after it, and its own key, both in PEM", err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificate) stamps() (all [2]stamp) {
	for i, path := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(path); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// config is TLS 1.2 and later, with Go's own choice of ciphers.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// names says whether clients accept the certificate for a host.
func (c *certificate) names(host string) bool {
	return c.current.Load().Leaf.VerifyHostname(host) == nil
}

// expires is when the certificate ends.
func (c *certificate) expires() time.Time { return c.current.Load().Leaf.NotAfter }

// watch reads the files anew when they change, and at SIGHUP in any case, until ctx ends.
func (c *certificate) watch(ctx context.Context, every time.Duration, log *slog.Logger) {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		c.say(log)
		for changed := false; !changed; {
			select {
			case <-ctx.Done():
				return
			case <-hangUp:
				changed = true
			case <-tick.C:
				changed = c.stamps() != c.seen
			}
		}
		if err := c.load(); err != nil {
			log.Error("the new TLS certificate can't be used; the one before stays", "error", err, "hint", hintOf(err))
		}
	}
}

// say logs which certificate is in use.
func (c *certificate) say(log *slog.Logger) {
	if time.Now().After(c.expires()) {
		log.Warn("the TLS certificate has expired: clients refuse it", "file", c.certFile, "expired", c.expires())
		return
	}
	log.Info("TLS certificate", "file", c.certFile, "expires", c.expires())
}

func hintOf(err error) string {
	if known, ok := errors.AsType[*cliutil.Error](err); ok {
		return known.Hint
	}
	return ""
}
