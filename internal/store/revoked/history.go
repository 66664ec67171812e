package revoked

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/keyfob/keyfob/internal/store"
)

// What is wrong with a log.
var (
	ErrDamaged = errors.New("the log of revocations is damaged")
	ErrOther   = errors.New("the log of revocations does not reach back to the backup")
)

// History is a log that was read and is whole.
type History struct {
	lines []line
	Torn  bool // half a line at its end, which was never acknowledged
}

// Read reads a log and looks at every line. ErrDamaged: a line is missing or was changed.
func Read(path string) (*History, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was read
	h := &History{}
	var last Position
	for in := bufio.NewReaderSize(f, lineMax); ; {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			h.Torn = len(text) > 0
			return h, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		l, err := parse(text)
		if err != nil || !l.follows(last, text) {
			return nil, fmt.Errorf("%w: line %d of %s", ErrDamaged, len(h.lines)+1, path)
		}
		last = l.position()
		h.lines = append(h.lines, l)
	}
}

// Tail is the position of the last line.
func (h *History) Tail() Position {
	if len(h.lines) == 0 {
		return Position{}
	}
	return h.lines[len(h.lines)-1].position()
}

// After returns what came after a position and counts: openings of keys only if they were confirmed, and were not undone by a
// restore since. ErrOther: the position is in another log, or behind the end of this one.
func (h *History) After(at Position) ([]store.LoggedRevocation, error) {
	if at.N < 1 || at.N > int64(len(h.lines)) || h.lines[at.N-1].sum != at.Sum {
		return nil, fmt.Errorf("%w: it ends at %d, the backup was made at %d of it or in another one", ErrOther, len(h.lines), at.N)
	}
	lines := h.lines[at.N:]
	confirmed := map[int64]bool{}
	for _, l := range lines {
		switch l.What {
		case store.RevocationConfirm:
			confirmed[l.Of] = true
		case store.RevocationRestored: // what was opened after that backup is not open any more
			for n := range confirmed {
				if n > l.Of {
					delete(confirmed, n)
				}
			}
		}
	}
	var out []store.LoggedRevocation
	for _, l := range lines {
		bookkeeping := []string{store.RevocationConfirm, store.RevocationRestored, store.RevocationLogBegan}
		if slices.Contains(bookkeeping, l.What) || l.What == store.RevokedKeyOpened && !confirmed[l.N] {
			continue
		}
		out = append(out, store.LoggedRevocation{Revocation: l.Revocation, N: l.N, At: l.At})
	}
	return out, nil
}
