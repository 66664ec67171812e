package daemon

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// TestALogThatWasBegunAnew: a backup from before is refused with it, and one made since brings nothing back to life.
func TestALogThatWasBegunAnew(t *testing.T) {
	t.Parallel()
	k := newKept(t, []string{"before", "between", "after"}, func(k *kept, url string) { k.do("POST", url+"/v1/orgs/acme/keys/before/disable", `{}`) })
	log := filepath.Join(k.dir, revocationsFile)
	noError(t, os.Rename(log, filepath.Join(t.TempDir(), "old.log")))
	disable := func(name string) {
		r := start(t, k.dir, nil)
		k.do("POST", r.url+"/v1/orgs/acme/keys/"+name+"/disable", `{}`)
		r.end()
	}
	disable("between")
	file := filepath.Join(t.TempDir(), "new.bak")
	noError(t, backupRun(t.Context(), backupOptions(k.dir, file)))
	disable("after")

	old := restoreOptions(k.file, k.fresh())
	old.Revocations = log
	failure(t, restoreRun(t.Context(), old), "revocations-unusable", cliutil.ExitConflict)
	opts := restoreOptions(file, k.fresh())
	opts.Revocations = log
	noError(t, restoreRun(t.Context(), opts))
	refused := http.StatusUnauthorized
	k.opens(opts.DataDir, map[string]int{"before": refused, "between": refused, "after": refused})
}
