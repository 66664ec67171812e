// Package pages opens the service's pages in Debian's Chromium, as people do: it fills in forms, clicks, and looks at what
// comes. Every state of every page goes through axe-core, in light and in dark.
package pages

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/keyfob/keyfob/test/clients"
)

// axe is axe-core on npm. Its "command" is the script that is put into a page.
func axe() clients.Client {
	return clients.Client{Name: "axe.min.js", Package: "axe-core", Version: "4.14.1", Bin: "axe-core"}
}

// InstallAxe puts axe-core into the test cache, unless it is there, and returns the path of its script.
func InstallAxe(ctx context.Context) (string, error) {
	cache, err := clients.Cache()
	if err != nil {
		return "", err
	}
	dir, err := axe().Install(ctx, cache)
	return filepath.Join(dir, axe().Name), err
}

// Axe returns axe-core's script from the test cache, or an error that says how to get it.
func Axe() (string, error) {
	cache, err := clients.Cache()
	if err != nil {
		return "", err
	}
	dir, err := axe().BinDir(cache)
	if err != nil { // its text names the other installer
		return "", errors.New("axe-core is not in the cache; get it with: go run ./test/pages/install")
	}
	script, err := os.ReadFile(filepath.Join(dir, axe().Name))
	return string(script), err
}
