// Command hammer is one of many processes that read and write the same credential at the same moment. It takes an Order on
// stdin, says "ready", begins when file 3 ends, and answers with a Report on stdout.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

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
	store, ctx := credentials.New(credentials.Config{Env: os.Getenv, Dir: o.Dir, Timeout: o.Timeout}), context.Background()
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

func outcome(err error) Report {
	if err == nil {
		return Report{OK: true}
	}
	return Report{
		None: errors.Is(err, credentials.ErrNone), Strange: errors.Is(err, credentials.ErrUnusable), Reason: err.Error(),
	}
}
