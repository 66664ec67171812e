// Package revoked keeps what was revoked in a file beside the database, so that a database that is restored from a backup does not
// bring it back to life.
//
// A Store writes what a transaction revokes, synced, before the transaction is committed: what was acknowledged is in the log. What
// is in the log and was not committed takes away access after a restore, and never gives any. The package must not know the rules of
// the domain, nor which database it stands before.
package revoked

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/keyfob/keyfob/internal/store"
)

const (
	// lineMax bounds a line: ids are short.
	lineMax  = 4096
	lockWait = 5 * time.Second
	sumLen   = 32 // hexadecimal digits of a line's sum
)

// Log is an append-only file of JSON lines. Several processes may append to one.
type Log struct {
	path string
	now  func() time.Time

	mu sync.Mutex
}

// Position is a place in a log. The sum ties it to all lines up to it.
type Position struct {
	N   int64  `json:"n"`
	Sum string `json:"sum"`
}

// Open returns the log at path and begins it if there is none. Beside it lies a lock file, path with the suffix ".lock".
func Open(ctx context.Context, path string, now func() time.Time) (*Log, error) {
	l := &Log{path: path, now: now}
	_, err := l.Tail(ctx)
	return l, err
}

// Tail returns the position of the last line. It begins the log if there is none.
func (l *Log) Tail(ctx context.Context) (at Position, err error) {
	err = l.locked(ctx, func(f *os.File) (err error) {
		at, err = l.tail(f)
		return err
	})
	return at, err
}

// Append writes the revocations, synced, and returns the number of the first. Where it fails none is written.
func (l *Log) Append(ctx context.Context, list []store.Revocation) (first int64, err error) {
	err = l.locked(ctx, func(f *os.File) error {
		last, err := l.tail(f)
		if err != nil {
			return err
		}
		first = last.N + 1
		return l.write(f, last, list)
	})
	return first, err
}

// locked runs work on the open file, which no other process changes meanwhile.
func (l *Log) locked(ctx context.Context, work func(*os.File) error) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock := flock.New(l.path+".lock", flock.SetPermissions(0o600))
	wait, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := lock.TryLockContext(wait, 2*time.Millisecond); err != nil {
		return l.failed(err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return l.failed(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return work(f)
}

// tail returns the position of the last line. Half a line was never acknowledged: it is cut off. Nothing is written after a line that
// can't be read: who reads the log would stop there.
func (l *Log) tail(f *os.File) (Position, error) {
	info, err := f.Stat()
	if err != nil {
		return Position{}, l.failed(err)
	}
	if info.Size() == 0 {
		return l.begin(f)
	}
	from := max(0, info.Size()-2*lineMax)
	end := make([]byte, info.Size()-from)
	if _, err := f.ReadAt(end, from); err != nil {
		return Position{}, l.failed(err)
	}
	whole := bytes.LastIndexByte(end, '\n') + 1
	if whole < len(end) {
		if err := f.Truncate(from + int64(whole)); err != nil {
			return Position{}, l.failed(err)
		}
		if end = end[:whole]; from == 0 && whole == 0 {
			return l.begin(f)
		}
	}
	line := end[bytes.LastIndexByte(bytes.TrimSuffix(end, []byte("\n")), '\n')+1:]
	got, err := parse(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		return Position{}, fmt.Errorf("%w: the last line of %s is damaged; move the file away to begin a new one, and make a backup", store.ErrUnavailable, l.path)
	}
	return got.position(), nil
}

// begin writes the first line, which no other log has.
func (l *Log) begin(f *os.File) (Position, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand crashes the program rather than return an error
	first := Position{Sum: hex.EncodeToString(id[:])}
	if err := l.write(f, first, []store.Revocation{{What: store.RevocationLogBegan}}); err != nil {
		return Position{}, err
	}
	if err := syncFolder(filepath.Dir(l.path)); err != nil {
		return Position{}, l.failed(err)
	}
	return l.tail(f)
}

// write appends lines after last. What a full disk leaves of them is cut off.
func (l *Log) write(f *os.File, last Position, list []store.Revocation) error {
	var text []byte
	for _, r := range list {
		b, err := format(&last, r, l.now())
		if err != nil {
			return err
		}
		text = append(text, b...)
	}
	before, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return l.failed(err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(l.failed(err), f.Truncate(before))
	}
	return nil
}

// failed is the answer of a store whose disk fails.
func (l *Log) failed(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Errorf("%w: the log of revocations %s can't be written: %w", store.ErrUnavailable, l.path, err)
}

// line is a line as it is written, without the sum, which stands last.
type line struct {
	N     int64     `json:"n"`
	At    time.Time `json:"at"`
	Began string    `json:"began,omitempty"` // what the first line's sum begins with

	store.Revocation

	sum string
}

func (l line) position() Position { return Position{N: l.N, Sum: l.sum} }

// format returns the line after last, and moves last to it.
func format(last *Position, r store.Revocation, at time.Time) ([]byte, error) {
	l := line{N: last.N + 1, At: at.UTC().Truncate(time.Microsecond), Revocation: r}
	if l.N == 1 {
		l.Began = last.Sum
	}
	body, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encode a revocation: %w", err)
	}
	if len(body) > lineMax-100 {
		return nil, errors.New("a revocation is too long for the log")
	}
	last.N, last.Sum = l.N, sumOf(last.Sum, body)
	return fmt.Appendf(nil, "%s,\"sum\":%q}\n", body[:len(body)-1], last.Sum), nil
}

func sumOf(before string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))[:sumLen]
}

// parse reads a line without looking at its sum.
func parse(text []byte) (l line, err error) {
	const sumField = len(`,"sum":""}`) + sumLen
	if len(text) < sumField || !bytes.HasPrefix(text[len(text)-sumField:], []byte(`,"sum":"`)) {
		return l, errors.New("it has no sum")
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, err
	}
	l.sum = string(text[len(text)-sumLen-len(`"}`) : len(text)-len(`"}`)])
	return l, nil
}

// follows says that text is a whole line, and the one after last.
func (l line) follows(last Position, text []byte) bool {
	if l.N == 1 {
		last.Sum = l.Began
	}
	body := append(bytes.Clone(text[:len(text)-len(`,"sum":""}`)-sumLen]), '}')
	return l.N == last.N+1 && l.sum == sumOf(last.Sum, body)
}

func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
