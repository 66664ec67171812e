package sqlite

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"github.com/keyfob/keyfob/internal/store"
)

func change(t *testing.T, s *Store, statements ...string) {
	t.Helper()
	err := s.Update(t.Context(), func(x store.Tx) error {
		for _, q := range statements {
			if _, err := x.(*tx).Run("a row", q); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasRunIsPrepared(t *testing.T) {
	t.Parallel()
	const first, second = `UPDATE readiness SET at = at + 1`, `UPDATE readiness SET at = at + 2`
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	change(t, s, first, first)
	if got := len(s.often.all); got != 0 || !maps.Equal(s.often.wanted, map[string]bool{first: true}) {
		t.Fatalf("%d are prepared and %v are wanted, want none and the first", got, s.often.wanted)
	}
	change(t, s, first, second)
	if s.often.all[first] == nil || !maps.Equal(s.often.wanted, map[string]bool{second: true}) {
		t.Fatalf("got %v, and wanted %v, want the first prepared and the second wanted", s.often.all, s.often.wanted)
	}
	change(t, s, second)
	if len(s.often.all) != 2 || len(s.often.wanted) != 0 {
		t.Fatalf("got %v, and wanted %v, want two and none", s.often.all, s.often.wanted)
	}
	var at int64
	if err := s.reader.QueryRowContext(t.Context(), `SELECT at FROM readiness`).Scan(&at); err != nil || at != 7 {
		t.Errorf("it counted to %d, %v, want 7", at, err)
	}
}

func TestPreparedIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	for n := range preparedMost + 10 {
		change(t, s, fmt.Sprintf(`UPDATE readiness SET at = %d`, n))
	}
	change(t, s)
	if got := len(s.often.all) + len(s.often.wanted); got != preparedMost {
		t.Errorf("%d are kept, want %d", got, preparedMost)
	}
}
