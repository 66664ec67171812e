package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
)

func TestReady(t *testing.T) {
	t.Parallel()
	dir := privateDir(t)
	var out strings.Builder
	ready := func() error { return readyRun(t.Context(), &ReadyOptions{DataDir: dir, Out: &out}) }
	failure(t, ready(), "not-ready", cliutil.ExitUnreachable)
	r := start(t, dir, func(o *ServeOptions) {
		o.Listen, o.InsecureHTTP, o.PublicURL = "0.0.0.0:0", true, "https://keys.example.invalid" // which is not asked
	})
	noError(t, ready())
	if out.String() != "ready\n" {
		t.Errorf("it said %q", out.String())
	}
	doc, err := os.ReadFile(filepath.Join(dir, "service.json"))
	noError(t, err)
	r.end()
	failure(t, ready(), "not-ready", cliutil.ExitUnreachable)
	for _, left := range []string{string(doc), "{", "{}"} { // what a killed service leaves
		noError(t, os.WriteFile(filepath.Join(dir, "service.json"), []byte(left), 0o600))
		failure(t, ready(), "not-ready", cliutil.ExitUnreachable)
	}
	if out.String() != "ready\n" {
		t.Errorf("it said %q", out.String())
	}
}
