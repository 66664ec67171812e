package rotation

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/atomicfile"
)

// journalFor is how long the same command counts as the same run: time enough to see that it died and to run it again, and too
// little to take tomorrow's run for today's. (A rotation that is still open is joined whatever its run is called.)
const journalFor = time.Hour

// Journal gives runs that have no name of their own one that their repetition finds again: it is written before a rotation is
// opened, and removed when all is done. It holds no secret. A folder that can't be written gives runs no name, and is no error.
type Journal struct {
	Dir string
	Now func() time.Time
}

// Begin returns the name for a run, which is told from others by what it is about, and what to call when it is done.
func (j Journal) Begin(about ...string) (name string, done func()) {
	sum := sha256.Sum256([]byte(strings.Join(about, "\x00")))
	path := filepath.Join(j.Dir, hex.EncodeToString(sum[:16]))
	done = func() { _ = os.Remove(path) } // what stays is too old in an hour
	if info, err := os.Stat(path); err == nil {
		age := j.Now().Sub(info.ModTime())
		text, err := os.ReadFile(path)
		if err == nil && age < journalFor && age > -journalFor && len(text) > 0 && len(text) < 64 {
			return string(text), done
		}
	}
	name = rand.Text()
	if os.MkdirAll(j.Dir, 0o700) != nil || atomicfile.Write(path, []byte(name), 0o600) != nil {
		return "", func() {}
	}
	return name, done
}
