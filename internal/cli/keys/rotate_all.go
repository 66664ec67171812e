package keys

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/rotation"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// atOnce is how many keys are rotated at a time.
const atOnce = 16

// checkAll refuses what can't be done for many keys, before the service is asked.
func checkAll(opts *RotateOptions) error {
	if len(opts.To) == 0 && !opts.DryRun {
		return cliutil.UsageError("--all needs --to with {name} or {id} in it, such as file:keys/{name}")
	}
	for _, to := range opts.To {
		if !strings.HasPrefix(to, "mcp:") && !strings.Contains(to, "{name}") && !strings.Contains(to, "{id}") {
			return cliutil.UsageError("--to %s would get the secret of every key: put {name} or {id} into it", cliutil.Printable(to))
		}
	}
	sample, err := forKey(opts, keyRef{ID: "key_x", Name: "x"})
	if err == nil {
		_, _, err = newRun(sample)
	}
	return describeSink(err)
}

// forKey returns the options for one key of many: its name and id stand where the braces are.
func forKey(opts *RotateOptions, key keyRef) (*RotateOptions, error) {
	one := *opts
	one.Key, one.To = key.ID, slices.Clone(opts.To)
	texts := append(slices.Clone(opts.To), opts.Check)
	named := slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "{name}") })
	// A name is what anybody may choose who makes keys: it must lead nowhere else, nor be a flag.
	if named && !regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`).MatchString(key.Name) {
		return nil, &cliutil.Error{
			Code: "name-unfit", Exit: cliutil.ExitFailed, Message: "the name can't be part of a place: it has other characters than letters, digits, ., _ and -",
			Hint: "rename the key, rotate it alone, or use {id}",
		}
	}
	fill := strings.NewReplacer("{name}", key.Name, "{id}", key.ID)
	for i, to := range one.To {
		one.To[i] = fill.Replace(to)
	}
	one.Check = fill.Replace(opts.Check)
	return &one, nil
}

// rotateAll rotates every key that was chosen.
func rotateAll(ctx context.Context, opts *RotateOptions) error {
	if err := checkAll(opts); err != nil {
		return err
	}
	at, err := cliutil.OpenOrg(ctx, opts.Session)
	if err != nil {
		return err
	}
	results, err := chosen(ctx, opts, at)
	if err != nil {
		return err
	}
	if opts.DryRun {
		return sayAll(opts, results)
	}
	name, done := runName(opts), func() {}
	if name == "" {
		about := []string{at.Origin(), at.Org, "--all", strconv.FormatBool(opts.Emergency), opts.OlderThan.String()}
		name, done = opts.Journal.Begin(slices.Concat(about, opts.Tags, opts.To)...)
	}
	b := &batch{opts: opts, at: at, run: name, results: results, line: opts.Out.StatusLine(opts.Env), locks: map[string]*sync.Mutex{}}
	b.do(ctx)
	if err := sayAll(opts, results); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := partly(results); err != nil {
		return err
	}
	done()
	return nil
}

// chosen are the enabled keys with the tags whose current secret is old enough.
func chosen(ctx context.Context, opts *RotateOptions, at cliutil.OrgClient) ([]rotated, error) {
	out := []rotated{}
	filter := client.ListKeysOptions{Status: api.StatusEnabled, Tags: opts.Tags, Limit: 1000}
	before := opts.Now().Add(-opts.OlderThan)
	for k, err := range at.Keys(ctx, at.Org, filter) {
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(k.Secrets, func(s api.SecretInfo) bool { return s.State == api.SecretCurrent })
		if i < 0 || opts.OlderThan > 0 && k.Secrets[i].CreatedAt.After(before) {
			continue
		}
		outcome := outcomeNot
		if opts.DryRun {
			outcome = outcomeWould
		}
		out = append(out, rotated{Key: keyRef{k.ID, k.Name}, OK: opts.DryRun, Outcome: outcome, Since: k.Secrets[i].CreatedAt})
	}
	return out, nil
}

// batch is many rotations at once.
type batch struct {
	opts    *RotateOptions
	at      cliutil.OrgClient
	run     string
	results []rotated
	line    *cliutil.StatusLine

	mu           sync.Mutex
	done, failed int
	stopped      bool                   // nothing more is begun
	locks        map[string]*sync.Mutex // by file
}

func (b *batch) do(ctx context.Context) {
	defer b.line.Clear()
	jobs := make(chan int)
	var workers sync.WaitGroup
	for range min(atOnce, len(b.results)) {
		workers.Go(func() {
			for i := range jobs {
				b.one(ctx, &b.results[i])
			}
		})
	}
	for i := range b.results {
		select {
		case jobs <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(jobs)
	workers.Wait()
}

// one rotates a key. Where the service is away, or refuses the session, no other is begun.
func (b *batch) one(ctx context.Context, r *rotated) {
	b.mu.Lock()
	stopped := b.stopped
	b.mu.Unlock()
	if stopped || ctx.Err() != nil {
		return
	}
	result, err := b.rotate(ctx, r.Key)
	switch {
	case err != nil:
		e := cliutil.Describe(describeRotation(ctx, err, r.Key.ID))
		r.Outcome, r.Error, r.Failure = outcomeFailed, e, &failure{e.Code, e.Message, e.Hint}
	case result.Again:
		r.Outcome = outcomeBefore
	case result.Rotation.PromotedAt == nil:
		r.Outcome = outcomeWaits
	default:
		r.Outcome = outcomeRotated
	}
	r.OK = err == nil
	if result.Rotation.ID != "" {
		r.Rotation = &result.Rotation
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done++
	if err != nil {
		b.failed++
		b.stopped = b.stopped || r.Error.Exit == cliutil.ExitUnreachable || r.Error.Exit == cliutil.ExitAuth
	}
	text := fmt.Sprintf("%s %d of %d", cliutil.Bar(b.done, len(b.results)), b.done, len(b.results))
	if b.failed > 0 {
		text += fmt.Sprintf(", %d failed", b.failed)
	}
	b.line.Set(text)
}

func (b *batch) rotate(ctx context.Context, key keyRef) (rotation.Result, error) {
	opts, err := forKey(b.opts, key)
	if err != nil {
		return rotation.Result{}, err
	}
	opts.Lock = b.lock
	run, _, err := newRun(opts)
	if err != nil {
		return rotation.Result{}, describeSink(err)
	}
	run.Client, run.Org, run.Name = b.at.Client, b.at.Org, b.run
	run.Note = func(string, ...any) {}
	minted := run.Minted
	run.Minted = func(s secret.Secret) {
		b.mu.Lock()
		defer b.mu.Unlock()
		minted(s)
	}
	return run.Do(ctx)
}

// lock keeps several rotations from changing one file at once.
func (b *batch) lock(path string) (unlock func()) {
	b.mu.Lock()
	m := b.locks[path]
	if m == nil {
		m = &sync.Mutex{}
		b.locks[path] = m
	}
	b.mu.Unlock()
	m.Lock()
	return m.Unlock
}
