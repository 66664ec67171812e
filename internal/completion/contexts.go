package completion

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyfob/keyfob/internal/config"
)

// contextNames returns the names of the contexts in the configuration's folder, sorted.
func contextNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "contexts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name, isContext := strings.CutSuffix(e.Name(), ".json")
		if isContext && e.Type().IsRegular() && config.CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}
