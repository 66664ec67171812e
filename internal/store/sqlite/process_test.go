package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/store"
)

func TestParallelOpensOfANewFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	const n = 4
	cmds := make([]*exec.Cmd, n)
	outs := make([]bytes.Buffer, n)
	for i := range cmds {
		// Processes, not goroutines: that is what opens a file twice, and POSIX locks are a process's.
		cmds[i] = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperOpensAndWrites$", "-test.v")
		cmds[i].Env = append(os.Environ(), "KEYFOB_TEST_DB="+path)
		cmds[i].Stdout, cmds[i].Stderr = &outs[i], &outs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range cmds {
		if err := c.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outs[i].String())
		}
	}
	s := open(t, path)
	err := s.View(t.Context(), func(tx store.Tx) error {
		ms, err := tx.Materials()
		if len(ms) != n*helperWrites {
			t.Errorf("%d rows, want %d", len(ms), n*helperWrites)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

const helperWrites = 25

// TestHelperOpensAndWrites is what TestParallelOpensOfANewFile runs in other processes.
func TestHelperOpensAndWrites(t *testing.T) {
	t.Parallel()
	path := os.Getenv("KEYFOB_TEST_DB")
	if path == "" {
		t.Skip("only for TestParallelOpensOfANewFile")
	}
	s := open(t, path)
	var group sync.WaitGroup
	for i := range helperWrites {
		group.Go(func() {
			m := store.Material{Kind: t.Name() + string(rune('a'+i)), ID: filepath.Base(t.TempDir()) + time.Now().String(), AddedAt: time.Now()}
			if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.AddMaterial(m) }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestABusyDatabaseIsNamedSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyfob.db")
	s := open(t, path)
	if _, err := s.writer.ExecContext(t.Context(), `PRAGMA busy_timeout = 50`); err != nil {
		t.Fatal(err)
	}
	other := open(t, path)
	release, held := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_ = other.Update(t.Context(), func(store.Tx) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	err := s.Update(t.Context(), func(store.Tx) error { return nil })
	close(release)
	group.Wait()
	if !errors.Is(err, store.ErrBusy) {
		t.Errorf("got %v, want %v", err, store.ErrBusy)
	}
}

func TestAnUpdateThatWaitsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "keyfob.db"))
	err := s.Update(t.Context(), func(store.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return s.Update(ctx, func(store.Tx) error { return nil })
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}
