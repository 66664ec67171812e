package credentials

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	helperVariable    = "KEYFOB_TEST_HELPER"     // what is wrong with the helper; "works": nothing
	helperDirVariable = "KEYFOB_TEST_HELPER_DIR" // where it keeps things
)

// TestMain makes this program a credential helper, too: nothing that was written a moment ago has to be run.
func TestMain(m *testing.M) {
	mode := os.Getenv(helperVariable)
	if mode == "" {
		os.Exit(m.Run())
	}
	os.Exit(helperMain(mode, os.Getenv(helperDirVariable)))
}

func myself(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// helperEnv is the environment in which this program is a helper.
func helperEnv(mode, dir string, more ...string) func() []string {
	return func() []string {
		return append([]string{helperVariable + "=" + mode, helperDirVariable + "=" + dir, "GORACE=atexit_sleep_ms=0"}, more...)
	}
}

// call is what the helper was given.
type call struct {
	Args    []string
	Input   string
	Environ []string
}

func helperMain(mode, dir string) int {
	if mode == "daemon" { // what another helper started
		return waitForEnd(dir)
	}
	input := []byte{}
	if mode != "deaf" {
		input, _ = io.ReadAll(os.Stdin)
	}
	record(dir, call{os.Args[1:], string(input), os.Environ()})
	var asked struct{ Origin, Context, Secret string }
	if err := json.Unmarshal(input, &asked); err != nil && mode != "deaf" {
		return refuse("bad input: %v", err)
	}
	item := filepath.Join(dir, "item-"+url.QueryEscape(asked.Origin+" "+asked.Context))
	verb := os.Args[1]
	if !strings.Contains(mode, verb+"-") {
		return work(verb, item, asked.Secret)
	}
	switch _, fault, _ := strings.Cut(mode, "-"); fault {
	case "fails":
		return refuse("the vault is sealed\n\x1b[2J")
	case "quiet":
		return 3
	case "echoes":
		return refuse("can't understand %s", input)
	case "loud":
		_, _ = os.Stderr.WriteString(strings.Repeat("é", 1<<20))
		return 1
	case "nothing": // and says that it went well
		return 0
	case "junk":
		fmt.Print("\xff\x00 not JSON")
	case "empty":
		fmt.Print(`{"secret":""}`)
	case "other":
		fmt.Print(`{"password":"x"}`)
	case "two":
		fmt.Print(`{"secret":"a"}{"secret":"b"}`)
	case "lies":
		fmt.Print(`{"secret":"something else"}`)
	case "blank":
		fmt.Print(" \n")
	case "floods":
		for {
			_, _ = os.Stdout.WriteString(strings.Repeat("x", 1<<12))
		}
	case "hangs":
		return waitForEnd(dir)
	case "child", "leaves":
		child := exec.Command(os.Args[0])
		child.Stdout, child.Env = os.Stdout, append(os.Environ(), helperVariable+"=daemon")
		if err := child.Start(); err != nil {
			return refuse("%v", err)
		}
		if fault == "leaves" {
			return work(verb, item, asked.Secret)
		}
		return waitForEnd(dir)
	}
	return 0
}

// always answers every question for a passphrase.
func always(passphrase string) func(context.Context, string, bool) (string, error) {
	return func(context.Context, string, bool) (string, error) { return passphrase, nil }
}

// work is what a good helper does.
func work(verb, item, value string) int {
	var err error
	switch verb {
	case "store":
		err = os.WriteFile(item, []byte(value), 0o600)
	case "erase":
		if err = os.Remove(item); os.IsNotExist(err) {
			err = nil
		}
	case "get":
		kept, readErr := os.ReadFile(item)
		if os.IsNotExist(readErr) {
			return 0
		}
		err = json.NewEncoder(os.Stdout).Encode(map[string]string{"secret": string(kept)})
	default:
		return refuse("unknown verb %q", verb)
	}
	if err != nil {
		return refuse("%v", err)
	}
	return 0
}

func refuse(format string, args ...any) int {
	_, _ = fmt.Fprintf(os.Stderr, format, args...)
	return 3
}

func record(dir string, c call) {
	data, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("call-%d", time.Now().UnixNano())), data, 0o600)
	}
	if err != nil {
		refuse("%v", err)
	}
}

const cheapFactor = 4 // of work, for tests that are not about it

// cheapStore is a Store whose encrypted files cost little.
func cheapStore(cfg Config) *Store {
	s, p := New(cfg), newEncryptedPlace(cfg)
	p.workFactor, s.encrypted = cheapFactor, p
	return s
}
