package localservice

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Running says whether a keyfobd serves the data directory, and where. It trusts service.json only while the lock that
// keyfobd holds for life is held: what it names may otherwise be anybody's port by now.
func Running(dataDir string) (Info, bool) {
	lockPath := filepath.Join(dataDir, "keyfobd.lock")
	if _, err := os.Stat(lockPath); errors.Is(err, fs.ErrNotExist) {
		return Info{}, false
	}
	lock := flock.New(lockPath)
	if free, err := lock.TryRLock(); err != nil || free {
		_ = lock.Unlock()
		return Info{}, false
	}
	doc, err := os.ReadFile(filepath.Join(dataDir, "service.json"))
	if err != nil {
		return Info{}, false
	}
	info := Info{DataDir: dataDir}
	if json.Unmarshal(doc, &info) != nil || info.URL == "" {
		return Info{}, false
	}
	return info, true
}
