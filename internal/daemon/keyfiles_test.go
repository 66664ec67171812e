package daemon

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/store/storetest/pgtest"
)

// TestKeysOfReplicas: on a database that several share, the first run makes the file of a key and the next uses it; a replica that lacks
// it answers nothing, and goes on once it is there.
func TestKeysOfReplicas(t *testing.T) {
	t.Parallel()
	dir, second, database := privateDir(t), privateDir(t), pgtest.Own(t).Database(t)
	var out bytes.Buffer
	noError(t, bootstrapRun(t.Context(), &BootstrapOptions{
		DataDir: dir, Database: database, OrgSlug: "acme", OrgName: "Acme", UserName: "ada", Out: &out, ErrOut: io.Discard, Now: time.Now,
	}))
	k := &kept{T: t, dir: dir, secrets: map[string]string{}}
	var first bootstrapped
	noError(t, json.Unmarshal(out.Bytes(), &first))
	k.session = first.Session
	shared := func(o *ServeOptions) { o.Database = database }
	copyFile := func(name string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, name))
		noError(t, err)
		noError(t, os.WriteFile(filepath.Join(second, name), text, 0o600))
	}
	noError(t, os.MkdirAll(second, 0o700))
	copyFile(masterFile)
	copyFile(pepperFile)
	one, two := start(t, dir, shared), start(t, second, shared)
	one.log.await(t, "this replica has a lease")
	two.log.await(t, "this replica has a lease")
	k.secrets["one"] = k.make(one.url, "one")
	k.letIn(one.url)
	k.letIn(two.url)

	onDatabase := func(copied bool) func(*RotatePepperOptions) {
		return func(o *RotatePepperOptions) { o.Database, o.Copied = database, copied }
	}
	_, err := rotatePepper(t, dir, onDatabase(true)) // no replica can have it
	failure(t, err, "nothing-prepared", cliutil.ExitConflict)
	said, err := rotatePepper(t, dir, onDatabase(false))
	noError(t, err)
	again, err := rotatePepper(t, dir, onDatabase(false))
	noError(t, err)
	name := regexp.MustCompile(`pepper-[0-9a-f]{16}\.key`).FindString(said)
	if said != again || !strings.Contains(said, "with --copied") || name == "" {
		t.Errorf("it says %q, then %q", said, again)
	}
	k.letIn(two.url)
	said, err = rotatePepper(t, dir, onDatabase(true)) // though it was not copied
	noError(t, err)
	if !strings.Contains(said, " secrets got digests under it") {
		t.Errorf("it says %s", said)
	}
	k.letIn(one.url)
	if status, text := call(t, "GET", two.url+"/v1/authz", k.secrets["one"], ""); status != 503 {
		t.Errorf("without the file: %d %s", status, text)
	}
	two.log.await(t, "nor is there "+filepath.Join(second, name))
	copyFile(name)
	for deadline := time.Now().Add(wait); ; {
		status, text := call(t, "GET", two.url+"/v1/authz", k.secrets["one"], "")
		if status == 204 {
			break
		}
		if status != 503 || time.Now().After(deadline) {
			t.Fatal(status, text)
		}
		<-time.After(10 * time.Millisecond)
	}
	k.letIn(two.url)

	master := func(copied bool) string {
		t.Helper()
		var out bytes.Buffer
		noError(t, rotateMasterKeyRun(t.Context(), &RotateMasterKeyOptions{
			DataDir: dir, Database: database, Copied: copied, Out: &out, ErrOut: io.Discard, Now: time.Now,
		}))
		return out.String()
	}
	name = regexp.MustCompile(`master-[0-9a-f]{16}\.key`).FindString(master(false))
	copyFile(name)
	if said := master(true); !strings.Contains(said, "1 data keys were wrapped anew") {
		t.Errorf("it says %s", said)
	}
	for _, r := range []*running{one, two} {
		if text := k.do("POST", r.url+"/v1/orgs/acme/keys/one/reveal", `{"purpose":"copy"}`); !strings.Contains(text, k.secrets["one"]) {
			t.Error("another secret is revealed")
		}
		k.letIn(r.url)
		r.end()
	}
}

// make makes a key and returns its secret.
func (k *kept) make(url, name string) string {
	k.Helper()
	var made struct{ Secret string }
	noError(k.T, json.Unmarshal([]byte(k.do("POST", url+"/v1/orgs/acme/keys", `{"name":"`+name+`"}`)), &made))
	return made.Secret
}
