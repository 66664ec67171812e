// Command hammer is one of many processes that read and write the same credential at the same moment. It takes an Order on
// stdin, says "ready", begins when file 3 ends, and answers with a Report on stdout. With an argument it is a credential helper
// that keeps one item in the folder $HAMMER_VAULT.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/keyfob/keyfob/internal/atomicfile"
	"github.com/keyfob/keyfob/internal/credentials"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Order says what to do. The test writes it with the same names.
type Order struct {
	Op      string // "get", "put" or "delete"
	Ref     credentials.Ref
	Dir     string
	Token   string   // to put
	Known   []string // the tokens that may be got
	Timeout time.Duration
}

// Report says what came of it. None and Strange must never come.
type Report struct {
	OK      bool
	None    bool   // nothing was found
	Strange bool   // something was found that nobody stored
	Reason  string // of any other failure
}

func main() {
	if len(os.Args) == 2 {
		if err := help(os.Args[1], filepath.Join(os.Getenv("HAMMER_VAULT"), "item")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	report, err := run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() (Report, error) {
	var o Order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return Report{}, err
	}
	store, ctx := credentials.New(credentials.Config{
		Env: os.Getenv, Environ: os.Environ, Dir: o.Dir, Timeout: o.Timeout, HelperTimeout: o.Timeout,
		Passphrase: func(context.Context, string, bool) (string, error) { return "correct horse", nil },
	}), context.Background()
	if _, err := fmt.Println(`"ready"`); err != nil {
		return Report{}, err
	}
	if _, err := io.Copy(io.Discard, os.NewFile(3, "start")); err != nil {
		return Report{}, err
	}
	switch o.Op {
	case "put":
		token, err := secret.Parse(secret.Session, o.Token)
		if err == nil {
			_, err = store.Put(ctx, o.Ref, token)
		}
		return outcome(err), nil
	case "delete":
		_, err := store.Delete(ctx, o.Ref)
		return outcome(err), nil
	}
	token, _, err := store.Get(ctx, o.Ref)
	report := outcome(err)
	if err == nil && !slices.Contains(o.Known, token.Reveal()) {
		report.Strange = true
	}
	return report, nil
}

// help is a helper as docs/sign-in.md describes it.
func help(verb, item string) error {
	var asked struct {
		Secret string `json:"secret"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	switch verb {
	case "store":
		beside := item + "-" + rand.Text()
		if err := atomicfile.Write(beside, []byte(asked.Secret), 0o600); err != nil {
			return err
		}
		return os.Rename(beside, item)
	case "erase":
		return os.Remove(item)
	}
	value, err := os.ReadFile(item)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(map[string]string{"secret": string(value)})
	}
	return err
}

func outcome(err error) Report {
	if err == nil {
		return Report{OK: true}
	}
	return Report{
		None: errors.Is(err, credentials.ErrNone), Strange: errors.Is(err, credentials.ErrUnusable), Reason: err.Error(),
	}
}
