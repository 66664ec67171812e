package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/secret"
	"github.com/keyfob/keyfob/test/credentials/testbus"
)

const processes = 64

//nolint:gochecknoglobals // test flags
var (
	rounds         = flag.Int("rounds", 2, "how many times all processes run at once, for each place (`make soak`: 100)")
	sealers        = flag.Int("sealers", 8, "processes at once on the encrypted file: each takes 64 MiB and a quarter of a second of a processor")
	keyringTimeout = flag.Duration("keyring-timeout", patience, "of a process on the keyring; people get 3 s, but not on a machine that runs a whole suite")
)

// order and report are the hammer's Order and Report.
type order struct {
	Op      string
	Ref     credentials.Ref
	Dir     string
	Token   string
	Known   []string
	Timeout time.Duration
}

type report struct {
	OK, None, Strange bool
	Reason            string
}

// TestTogether: 64 processes read and write one credential at the same moment. None is ever signed out, none reads what
// nobody stored, and in the end one of the tokens lies there, whole and alone.
func TestTogether(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		together(t, processes, credentials.Choice{Kind: credentials.KindPlain}, dir, nil)
		empty(t, filepath.Join(dir, "credentials"))
	})
	t.Run("encrypted", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		together(t, *sealers, credentials.Choice{Kind: credentials.KindEncrypted}, dir, nil)
		empty(t, filepath.Join(dir, "credentials"))
	})
	t.Run("helper", func(t *testing.T) {
		t.Parallel()
		vault := t.TempDir()
		choice := credentials.Choice{Kind: credentials.KindHelper, Helper: filepath.Join(os.Getenv(binVariable), "hammer")}
		together(t, processes, choice, "", []string{"HAMMER_VAULT=" + vault})
		empty(t, vault)
	})
	t.Run("keyring", func(t *testing.T) {
		t.Parallel()
		b := testbus.New(t)
		b.GnomeKeyring(t, "--unlock")
		together(t, processes, credentials.Choice{}, "", b.Env())
	})
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it left %v behind (%v)", entries, err)
	}
}

func together(t *testing.T, processes int, choice credentials.Choice, dir string, env []string) {
	t.Helper()
	ref := credentials.Ref{Origin: "https://keys.example.com", Context: "work", Store: choice}
	var known []string
	token := func() string {
		known = append(known, secret.New(secret.Session).Reveal())
		return known[len(known)-1]
	}
	atOnce := func(orders ...order) []report {
		t.Helper()
		for i := range orders {
			orders[i].Ref, orders[i].Dir, orders[i].Known, orders[i].Timeout = ref, dir, known, *keyringTimeout
		}
		return hammer(t, env, orders)
	}
	if r := atOnce(order{Op: "put", Token: token()})[0]; !r.OK {
		t.Fatalf("put: %+v", r)
	}
	slow, overwritten, begin := 0, 0, time.Now()
	for range *rounds {
		same := token()
		orders := make([]order, processes)
		for i := range orders {
			switch i % 4 {
			case 0:
				orders[i] = order{Op: "put", Token: same}
			case 1:
				orders[i] = order{Op: "put", Token: token()}
			default:
				orders[i] = order{Op: "get"}
			}
		}
		for i, r := range atOnce(orders...) {
			switch {
			case r.None || r.Strange:
				t.Errorf("process %d: %+v", i, r)
			case orders[i].Op == "put" && strings.Contains(r.Reason, "holds another value"):
				overwritten++
			case *keyringTimeout < patience && strings.Contains(r.Reason, "did not answer within"):
				slow++
			case !r.OK:
				t.Errorf("process %d: %+v", i, r)
			}
		}
		if r := atOnce(order{Op: "get"})[0]; !r.OK {
			t.Fatalf("in the end: %+v", r)
		}
	}
	t.Logf("%d rounds of %d processes in %s: %d overwritten by another, %d too slow",
		*rounds, processes, time.Since(begin).Round(100*time.Millisecond), overwritten, slow)
	// One item, not several under one name: one removal leaves none.
	if r := atOnce(order{Op: "delete"})[0]; !r.OK {
		t.Errorf("delete: %+v", r)
	}
	if r := atOnce(order{Op: "get"})[0]; !r.None {
		t.Errorf("get after delete: %+v", r)
	}
}

// hammer runs a process for each order, all at the same moment, and returns their reports.
func hammer(t *testing.T, env []string, orders []order) []report {
	t.Helper()
	begin, start, err := os.Pipe() // closing start lets all begin
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = begin.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	reports, failures := make([]report, len(orders)), make([]error, len(orders))
	var ready, ended sync.WaitGroup
	ready.Add(len(orders))
	for i, o := range orders {
		ended.Go(func() { failures[i] = one(ctx, env, begin, o, &reports[i], sync.OnceFunc(ready.Done)) })
	}
	ready.Wait()
	_ = start.Close()
	ended.Wait()
	for i, err := range failures {
		if err != nil {
			t.Fatalf("process %d: %v", i, err)
		}
	}
	return reports
}

func one(ctx context.Context, env []string, begin *os.File, o order, into *report, ready func()) error {
	defer ready()
	cmd := exec.CommandContext(ctx, filepath.Join(os.Getenv(binVariable), "hammer"))
	input, err := json.Marshal(o)
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd.Env, cmd.ExtraFiles = append([]string{"PATH=" + os.Getenv("PATH")}, env...), []*os.File{begin}
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var hello string
	answers := json.NewDecoder(stdout)
	err = answers.Decode(&hello)
	ready()
	if err == nil {
		err = answers.Decode(into)
	}
	if ended := cmd.Wait(); ended != nil || err != nil {
		return fmt.Errorf("%w: %s", errors.Join(err, ended), stderr.String())
	}
	return nil
}
