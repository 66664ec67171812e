package daemon

import (
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// TestMetricsListen holds that with a listener of their own metrics are there alone, over plain HTTP, with the TLS files' end.
func TestMetricsListen(t *testing.T) {
	t.Parallel()
	files := t.TempDir()
	issue(t, files, "a", 1, time.Now().Add(time.Hour))
	var address string
	r := start(t, privateDir(t), func(o *ServeOptions) { o.MetricsListen = "127.0.0.1:0" })
	address = regexp.MustCompile(`msg=metrics url=(\S+)/metrics`).FindStringSubmatch(r.log.String())[1]
	if status, _ := call(t, "GET", r.url+"/metrics", "", ""); status != http.StatusNotFound {
		t.Errorf("on the main listener: %d", status)
	}
	call(t, "GET", r.url+"/readyz", "", "")
	if status, text := call(t, "GET", address+"/metrics", "", ""); status != http.StatusOK || !strings.Contains(text, `route="/readyz",status="200"} 1`) {
		t.Errorf("on its own: %d %s", status, text)
	}
	for _, path := range []string{"/", "/readyz", "/v1/self", "/metrics/x"} {
		if status, _ := call(t, "GET", address+path, "", ""); status != http.StatusNotFound {
			t.Errorf("%s is there, too: %d", path, status)
		}
	}
	r.end()
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://")); err == nil {
		_ = conn.Close()
		t.Error("metrics are served by nobody's leave")
	}

	r = start(t, privateDir(t), func(o *ServeOptions) {
		o.TLSCert, o.TLSKey, o.MetricsListen = filepath.Join(files, "a.crt"), filepath.Join(files, "a.key"), "127.0.0.1:0"
	})
	address = regexp.MustCompile(`msg=metrics url=(\S+)/metrics`).FindStringSubmatch(r.log.String())[1]
	if _, text := call(t, "GET", address+"/metrics", "", ""); !strings.Contains(text, "\nkeyfob_tls_certificate_expiry_timestamp_seconds ") {
		t.Errorf("no end of the certificate: %s", text)
	}
	opts := serveOptions(privateDir(t))
	opts.MetricsListen = strings.TrimPrefix(address, "http://")
	failure(t, serveRun(t.Context(), opts), "address-in-use", cliutil.ExitConflict)
	r.end()

	r = start(t, privateDir(t), nil)
	if status, text := call(t, "GET", r.url+"/metrics", "", ""); status != http.StatusOK || !strings.Contains(text, "keyfob_build_info") {
		t.Errorf("on the main listener, from here: %d %s", status, text)
	}
	r.end()
}
