package completion

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/keyfob/keyfob/internal/atomicfile"
)

// state says how much of the truth an answer is.
type state string

const (
	stateWhole   state = "whole"
	statePartial state = "partial" // what came before the deadline
	stateFailed  state = "failed"
)

// life is how long an answer is used.
func (s state) life() time.Duration {
	switch s {
	case stateWhole:
		return time.Minute
	case statePartial, stateFailed:
		return 10 * time.Second
	}
	return 0
}

// answer is what is known of one organisation, or of a user's organisations.
type answer struct {
	state state
	keys  []byte // list of keys
	words []byte // list of words: the keys' tags, or the organisations
}

const (
	magic    = "keyfob-completion-1"
	maxCache = 16 << 20 // bytes
)

// cache is the file of one answer. A cache that can't be read or written is as good as none.
type cache struct{ path string }

// newCache returns the file for what the parts name. Its name is a digest, so that it tells nobody which services are used.
func newCache(env func(string) string, goos string, parts ...string) cache {
	dir := cacheDir(env, goos)
	if dir == "" {
		return cache{}
	}
	digest := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return cache{filepath.Join(dir, hex.EncodeToString(digest[:16]))}
}

// cacheDir follows the XDG Base Directory Specification, and on Windows %LocalAppData%; empty: there is no place.
func cacheDir(env func(string) string, goos string) string {
	base := env("XDG_CACHE_HOME")
	switch home := env("HOME"); {
	case goos == "windows":
		base = env("LocalAppData")
	case !filepath.IsAbs(base) && home != "":
		base = filepath.Join(home, ".cache")
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	return filepath.Join(base, "keyfob", "complete")
}

// read returns the answer in the file, unless it is too old, damaged or from the future.
func (c cache) read(now time.Time) (answer, bool) {
	info, err := os.Lstat(c.path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCache {
		return answer{}, false // a named pipe would hang
	}
	doc, err := os.ReadFile(c.path)
	if err != nil {
		return answer{}, false
	}
	found, written, ok := decode(doc)
	age := now.Sub(written)
	return found, ok && age >= 0 && age < found.state.life()
}

// write replaces the file.
func (c cache) write(a answer, now time.Time) {
	if c.path == "" {
		return
	}
	dir := filepath.Dir(c.path)
	if os.MkdirAll(dir, 0o700) != nil || os.Chmod(dir, 0o700) != nil { //nolint:gosec // a folder needs its x
		return
	}
	_ = atomicfile.Write(c.path, encode(a, now), 0o600) // else the next Tab asks again
}

// encode writes one line (magic, time in Unix milliseconds, state, length of the keys, CRC-32 of what follows) and then the
// two lists.
func encode(a answer, now time.Time) []byte {
	body := append(bytes.Clone(a.keys), a.words...)
	header := fmt.Sprintf("%s %d %s %d %08x\n", magic, now.UnixMilli(), a.state, len(a.keys), crc32.ChecksumIEEE(body))
	return append([]byte(header), body...)
}

func decode(doc []byte) (a answer, written time.Time, ok bool) {
	header, body, _ := bytes.Cut(doc, []byte("\n"))
	f := strings.Split(string(header), " ")
	if len(f) != 5 || f[0] != magic {
		return answer{}, time.Time{}, false
	}
	millis, badTime := strconv.ParseInt(f[1], 10, 64)
	split, badSplit := strconv.Atoi(f[3])
	sum, badSum := strconv.ParseUint(f[4], 16, 32)
	if badTime != nil || badSplit != nil || badSum != nil || split < 0 || split > len(body) || uint64(crc32.ChecksumIEEE(body)) != sum {
		return answer{}, time.Time{}, false
	}
	return answer{state: state(f[2]), keys: body[:split], words: body[split:]}, time.UnixMilli(millis), true
}
