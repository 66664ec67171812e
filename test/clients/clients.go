// Package clients gets real AI clients, by the exact versions of clients.json, into a cache outside the tree, so that
// tests can run what Keyfob prints and ask the client's own engine whether it connects. It knows npm and nothing of
// Keyfob.
//
// Node is pinned as well: the conformance suite needs 22, and npm hands an older Node older releases. The conformance
// suite is a pre-release because 0.1.16 stops at protocol 2025-11-25.
package clients

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrNotInstalled says that a client is not in the cache.
var ErrNotInstalled = errors.New("not in the cache; get it with: go run ./test/clients/install, of `make test-clients` with -more")

//go:embed clients.json
var table []byte

// Client is one npm package.
type Client struct {
	Name    string `json:"name"`
	Command string `json:"command"` // what it is run as; empty: Name
	Package string `json:"package"` // on npm
	Version string `json:"version"` // exact
	Bin     string `json:"bin"`     // folder of the command, below node_modules
	Omit    string `json:"omit"`    // npm's --omit
	Node    string `json:"node"`    // name of the Node that runs it; empty: node
	// More says that it is for `make test-clients` alone: CI does not download it.
	More bool `json:"more"`
}

// All returns the table for this machine. Only Linux has tests with real clients.
func All() ([]Client, error) {
	arch, ok := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || !ok {
		return nil, fmt.Errorf("no clients for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	var all []Client
	text := strings.ReplaceAll(string(table), "{platform}", "linux-"+arch)
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("clients.json: %w", err)
	}
	for i, c := range all {
		all[i].Command = cmp.Or(c.Command, c.Name)
		all[i].Node = cmp.Or(c.Node, "node")
	}
	return all, nil
}

// Cache returns the folder that holds the clients: $KEYFOB_TEST_CACHE or keyfob-test in the user's cache folder.
func Cache() (string, error) {
	if dir := os.Getenv("KEYFOB_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("set KEYFOB_TEST_CACHE: %w", err)
	}
	return filepath.Join(dir, "keyfob-test"), nil
}

func (c Client) dir(cache string) string { return filepath.Join(cache, c.Command+"@"+c.Version) }

// BinDir returns the folder of the command, for PATH, or ErrNotInstalled.
func (c Client) BinDir(cache string) (string, error) {
	bin := filepath.Join(c.dir(cache), "node_modules", filepath.FromSlash(c.Bin))
	if _, err := os.Stat(filepath.Join(bin, c.Command)); err != nil {
		return "", fmt.Errorf("%s %s: %w", c.Name, c.Version, ErrNotInstalled)
	}
	return bin, nil
}

// Install puts the client into the cache unless it is there, and returns its BinDir. A folder in the cache is always
// whole: npm works in a temporary one that is renamed at the end. No install script of a package runs.
func (c Client) Install(ctx context.Context, cache string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	lock := flock.New(filepath.Join(cache, "."+c.Name+".lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("%s: %w", lock.Path(), err)
	}
	defer func() { _ = lock.Unlock() }()
	if bin, err := c.BinDir(cache); err == nil {
		return bin, nil
	}

	tmp, err := os.MkdirTemp(cache, ".tmp-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	args := []string{
		"install", "--prefix", tmp, "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress",
		"--loglevel=error", "--omit=dev", c.Package + "@" + c.Version,
	}
	if c.Omit != "" {
		args = append(args, "--omit="+c.Omit)
	}
	npm := exec.CommandContext(ctx, "npm", args...)
	npm.Dir = tmp
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s@%s: %w\n%s", c.Package, c.Version, err, out)
	}
	if err := os.RemoveAll(c.dir(cache)); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, c.dir(cache)); err != nil {
		return "", err
	}
	return c.BinDir(cache)
}
