package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	helperTimeout = 60 * time.Second
	// helperGrace is how long the output of a helper that has ended may stay open, in the hands of a child of its own.
	helperGrace   = 2 * time.Second
	maxHelperPath = 4096     // bytes
	maxHelperOut  = 16 << 10 // bytes; a value in JSON, every character escaped, is shorter
	maxHelperErr  = 4 << 10  // bytes
)

// helperPlace is a program that keeps credentials, the way git's and Docker's helpers do. It is run as HELPER get, HELPER
// store or HELPER erase, without a shell and without a terminal; stdin is one JSON object:
//
//	{"origin":"https://…","context":"…"}                  for get and erase
//	{"origin":"https://…","context":"…","secret":"…"}     for store
//
// get answers {"secret":"…"} with the very string that was stored, or nothing where it has none. Exit 0 is success; after
// any other, stderr says why. The secret is opaque to the helper. For the secret of a key the context is CONTEXT/KEY, so that a
// helper needs no word of it to keep it apart from the session.
type helperPlace struct {
	environ func() []string
	limit   time.Duration
}

func newHelperPlace(cfg Config) helperPlace {
	p := helperPlace{environ: cfg.Environ, limit: cfg.HelperTimeout}
	if p.environ == nil {
		p.environ = func() []string { return nil }
	}
	if p.limit <= 0 {
		p.limit = helperTimeout
	}
	return p
}

func (helperPlace) source(ref Ref) Source { return Source{KindHelper, ref.Store.Helper} }

// check refuses a relative path: in another folder it would be another program.
func (helperPlace) check(ref Ref) error {
	name := ref.Store.Helper
	if name == "" || len(name) > maxHelperPath || !printable(name) {
		return &Error{
			Place:  KindHelper,
			Reason: "the name of the credential helper is empty, too long or not printable",
			Hint:   "give the absolute path of a program, or the name of one on PATH",
		}
	}
	if !filepath.IsAbs(name) && (strings.ContainsAny(name, `/\`) || name == "." || name == "..") {
		return &Error{
			Place:  KindHelper,
			Reason: fmt.Sprintf("the credential helper %q is a relative path", name),
			Hint:   "give its absolute path, or the name of a program on PATH",
		}
	}
	return nil
}

// request is what a helper reads.
type request struct {
	Origin  string `json:"origin"`
	Context string `json:"context"`
	Secret  string `json:"secret,omitempty"`
}

func (p helperPlace) get(ctx context.Context, ref Ref) (string, error) {
	out, err := p.run(ctx, ref, "get", "")
	if err != nil {
		return "", err
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return "", ErrNone
	}
	var answer struct {
		Secret string `json:"secret"`
	}
	if json.Unmarshal(out, &answer) != nil || answer.Secret == "" {
		return "", p.fails(ref, `answered get with something other than {"secret":"…"}`)
	}
	return answer.Secret, nil
}

func (p helperPlace) put(ctx context.Context, ref Ref, value string) error {
	_, err := p.run(ctx, ref, "store", value)
	return err
}

// remove looks again after the helper said that the secret is gone.
func (p helperPlace) remove(ctx context.Context, ref Ref) (bool, error) {
	if _, err := p.run(ctx, ref, "erase", ""); err != nil {
		return false, err
	}
	_, err := p.get(ctx, ref)
	if errors.Is(err, ErrNone) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, &Error{
		Place:  KindHelper,
		Reason: fmt.Sprintf("the %s was not removed: %s still holds it", ref.noun(), p.source(ref)),
		Hint:   "remove it with the helper's own program",
	}
}

// run lets the helper do one thing and returns its stdout.
func (p helperPlace) run(ctx context.Context, ref Ref, verb, value string) ([]byte, error) {
	path, err := exec.LookPath(ref.Store.Helper)
	if err != nil {
		return nil, &Error{
			Place:  KindHelper,
			Reason: fmt.Sprintf("the credential helper %q can't be run: %s", ref.Store.Helper, lookUpReason(err)),
			Hint:   "install it, or " + signIn(ref) + " and choose another place; a helper takes no arguments of its own",
			err:    err,
		}
	}
	input, err := json.Marshal(request{ref.Origin, ref.account(), value}) //nolint:gosec // the secret is for the helper
	if err != nil {
		return nil, fmt.Errorf("ask the credential helper: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	out := &capped{left: maxHelperOut, full: cancel}
	said := &capped{left: maxHelperErr}
	cmd := exec.CommandContext(limited, path, verb) //nolint:gosec // the user's own word at sign-in
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(input, '\n')), out, said
	cmd.Env = slices.DeleteFunc(slices.Clone(p.environ()), isOurSecret)
	cmd.WaitDelay = helperGrace
	ownGroup(cmd)

	err = cmd.Run()
	switch {
	case out.over:
		return nil, p.fails(ref, fmt.Sprintf("answered %s with more than %d bytes", verb, maxHelperOut))
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success():
		return out.kept, nil
	case ctx.Err() != nil:
		return nil, cancelled(ctx, KindHelper)
	case limited.Err() != nil:
		return nil, p.fails(ref, fmt.Sprintf("did not answer %s within %s", verb, p.limit))
	}
	why := clean(string(said.kept))
	if why == "" {
		why = err.Error()
	}
	return nil, p.fails(ref, "failed: "+why)
}

func (p helperPlace) fails(ref Ref, how string) error {
	return &Error{
		Place:  KindHelper,
		Reason: p.source(ref).String() + " " + how,
		Hint:   "see what it needs by running it yourself, or set " + tokenVariable,
	}
}

func lookUpReason(err error) string {
	if errors.Is(err, exec.ErrNotFound) {
		return "there is no such program on PATH"
	}
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err // the name is said already
	}
	return err.Error()
}

// isOurSecret says whether a variable of the environment is for Keyfob alone.
func isOurSecret(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.EqualFold(name, tokenVariable) || strings.EqualFold(name, passphraseVariable) || strings.EqualFold(name, "KEYFOB_ID_TOKEN")
}

// capped keeps the beginning of what is written to it. Its buffer is no part of its methods: io.Copy would read into that.
type capped struct {
	kept []byte
	left int
	over bool
	full func() // called when there is more than fits; nil: the rest is dropped
}

// Write never fails and never blocks, so that the program that writes goes on.
func (c *capped) Write(b []byte) (int, error) {
	keep := min(len(b), c.left)
	c.kept = append(c.kept, b[:keep]...)
	c.left -= keep
	if keep < len(b) {
		c.over = true
		if c.full != nil {
			c.full()
		}
	}
	return len(b), nil
}
