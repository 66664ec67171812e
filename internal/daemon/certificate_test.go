package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// issue writes a new certificate, signed by its own key, and returns what trusts it.
func issue(t *testing.T, dir, name string, serial int64, ends time.Time) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	noError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "keyfob"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: ends,
		DNSNames: []string{"keys.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	noError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	noError(t, err)
	write := func(file, kind string, der []byte) {
		path := filepath.Join(dir, file)
		noError(t, os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		noError(t, os.Rename(path+".new", path))
	}
	write(name+".crt", "CERTIFICATE", der)
	write(name+".key", "PRIVATE KEY", private)
	cert, err := x509.ParseCertificate(der)
	noError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// serial is that of the certificate that a server shows.
func serial(t *testing.T, url string) int64 {
	t.Helper()
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "https://"))
	noError(t, err)
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestTLS serves TLS, and shows a new certificate without a restart, but no broken one. It is not parallel: SIGHUP is the process's.
func TestTLS(t *testing.T) {
	files, dir := t.TempDir(), privateDir(t)
	pool := issue(t, files, "a", 1, time.Now().Add(time.Hour))
	cert, key := filepath.Join(files, "a.crt"), filepath.Join(files, "a.key")
	r := start(t, dir, func(o *ServeOptions) { o.TLSCert, o.TLSKey, o.reloadEvery = cert, key, 20*time.Millisecond })
	if !strings.HasPrefix(r.url, "https://127.0.0.1:") {
		t.Fatalf("it listens on %s", r.url)
	}
	var doc serviceDoc
	text, err := os.ReadFile(filepath.Join(dir, "service.json"))
	noError(t, err)
	noError(t, json.Unmarshal(text, &doc))
	if doc.URL != r.url || doc.PublicURL != r.url {
		t.Errorf("service.json %+v", doc)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: wait}).Get(r.url + "/readyz")
	noError(t, err)
	noError(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("status %d over %s", resp.StatusCode, resp.Proto)
	}
	old := &tls.Dialer{Config: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
	if conn, err := old.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "https://")); err == nil {
		_ = conn.Close()
		t.Error("it takes TLS 1.1")
	}

	noError(t, os.WriteFile(key, []byte("broken"), 0o600))
	r.log.await(t, "the one before stays")
	if got := serial(t, r.url); got != 1 {
		t.Errorf("with a broken file it shows %d", got)
	}
	issue(t, files, "a", 2, time.Now().Add(time.Hour))
	eventually(t, func() bool { return serial(t, r.url) == 2 })
	noError(t, os.Chmod(key, 0o644)) // no change of the file: the signal has it looked at
	self, err := os.FindProcess(os.Getpid())
	noError(t, err)
	noError(t, self.Signal(syscall.SIGHUP))
	r.log.await(t, "can be read by other users (mode 0644)")
	if got := serial(t, r.url); got != 2 {
		t.Errorf("with an open key it shows %d", got)
	}
	issue(t, files, "a", 3, time.Now().Add(-time.Hour))
	r.log.await(t, "has expired")
	r.end()
	if strings.Contains(r.log.String(), "PRIVATE KEY") {
		t.Error("the log holds a key")
	}
}

// TestTLSAddress: what does not know a certificate's names is told the one that it has.
func TestTLSAddress(t *testing.T) {
	t.Parallel()
	files, dir := t.TempDir(), privateDir(t)
	issue(t, files, "a", 1, time.Now().Add(time.Hour))
	pair := func(o *ServeOptions) {
		o.TLSCert, o.TLSKey, o.PublicURL = filepath.Join(files, "a.crt"), filepath.Join(files, "a.key"), "https://keys.example.com"
	}
	r := start(t, dir, func(o *ServeOptions) { pair(o); o.Listen = "[::1]:0" })
	if r.url != "https://keys.example.com" {
		t.Errorf("it is at %s", r.url)
	}
	r.end()
	r = start(t, dir, func(o *ServeOptions) { pair(o); o.Listen = "0.0.0.0:0" }) // without --insecure-http
	noError(t, readyRun(t.Context(), &ReadyOptions{DataDir: dir, Out: io.Discard}))
	r.end()
}

func TestBadTLS(t *testing.T) {
	t.Parallel()
	files := t.TempDir()
	issue(t, files, "a", 1, time.Now().Add(time.Hour))
	issue(t, files, "b", 2, time.Now().Add(time.Hour))
	at := func(name string) string { return filepath.Join(files, name) }
	open := at("open.key")
	key, err := os.ReadFile(at("a.key"))
	noError(t, err)
	noError(t, os.WriteFile(open, key, 0o600))
	noError(t, os.Chmod(open, 0o640))
	for name, tt := range map[string][3]string{
		"another's key":   {at("a.crt"), at("b.key"), "are no pair"},
		"swapped":         {at("a.key"), at("a.crt"), "other users"},
		"no PEM":          {at("a.crt"), at("none"), "no such file"},
		"no certificate":  {at("none"), at("a.key"), "no such file"},
		"open to a group": {at("a.crt"), open, "mode 0640"},
		"a folder":        {files, at("a.key"), "no regular file"},
	} {
		if name == "swapped" {
			noError(t, os.Chmod(at("a.crt"), 0o644))
		}
		opts := serveOptions(privateDir(t))
		opts.TLSCert, opts.TLSKey = tt[0], tt[1]
		err := failure(t, serveRun(t.Context(), opts), "tls-unusable", cliutil.ExitFailed)
		if !strings.Contains(err.Message, tt[2]) || err.Hint == "" || strings.Contains(err.Message, "PRIVATE") {
			t.Errorf("%s: %q, %q", name, err.Message, err.Hint)
		}
		if _, err := os.Stat(opts.DataDir); !os.IsNotExist(err) {
			t.Errorf("%s: it made the data directory", name)
		}
	}
	opts := serveOptions(privateDir(t))
	opts.TLSCert, opts.TLSKey, opts.PublicURL = at("a.crt"), at("a.key"), "http://127.0.0.1:1"
	failure(t, serveRun(t.Context(), opts), "usage", cliutil.ExitUsage)
}

// eventually asks until it is true.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(wait)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never came true")
		}
	}
}
