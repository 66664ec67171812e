package events

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/completion"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/client"
)

// watchEvery is how often --watch asks for what is new.
const watchEvery = time.Second

// defaultLimit is how many events are shown when nothing says how many.
const defaultLimit = 100

// ListOptions is all that listRun needs.
type ListOptions struct {
	Session func(context.Context) (*cliutil.Session, error)
	Now     func() time.Time
	Out     *cliutil.Output

	Filter client.ListEventsOptions
	Limit  int
	Watch  bool
}

// NewCmdList returns "keyfob events list". runF replaces listRun in tests.
func NewCmdList(f *cliutil.Factory, runF func(context.Context, *ListOptions) error) *cobra.Command {
	opts := &ListOptions{Session: f.Session, Now: f.Now}
	since := &cliutil.When{Now: f.Now, Ago: true}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List events, newest first; follow with --watch",
		Long: `List events, newest first. With --watch, print the events that come from now on, oldest first, until Ctrl-C; with -o json
each is then one line.

Elsewhere than on a terminal the columns are time, type, actor, key id and details, separated by tabs.`,
		Example: `$ keyfob events list --since 24h
$ keyfob events list --key ci --type key.revealed -o json
$ keyfob events list --watch --actor ada`,
		Args: cliutil.ExactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Filter.Since = since.At
			if opts.Limit < 1 {
				return cliutil.UsageError("--limit must be 1 or more")
			}
			return cliutil.RunVerb(cmd, f, &opts.Out, opts, runF, listRun)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Filter.Key, "key", "", "only events of this `KEY`, by name or id")
	flags.StringVar(&opts.Filter.Actor, "actor", "", "only what this `ACTOR` did, by name or id")
	flags.StringVar(&opts.Filter.Type, "type", "", "only events of this `TYPE`, such as key.deleted or key")
	flags.Var(since, "since", "only events since `WHEN`: a span such as 24h, a date or an RFC 3339 time")
	flags.IntVar(&opts.Limit, "limit", defaultLimit, "at most this `NUMBER` of events")
	cliutil.CompleteFlagWith(cmd, "key", completion.Key(f))
	flags.BoolVarP(&opts.Watch, "watch", "w", false, "print new events as they come")
	return cmd
}

func listRun(ctx context.Context, opts *ListOptions) error {
	session, err := opts.Session(ctx)
	if err != nil {
		return err
	}
	org, err := session.SelectOrg(ctx)
	if err != nil {
		return err
	}
	if opts.Watch {
		return watch(ctx, opts, session.Client, org)
	}
	opts.Filter.Limit = min(opts.Limit, 1000)
	events := take(session.Client.Events(ctx, org, opts.Filter), opts.Limit)
	if opts.Out.Structured() {
		return opts.Out.List("events", events)
	}
	var rows [][]string
	for e, err := range events {
		if err != nil {
			return err
		}
		event, _ := e.(api.Event)
		if opts.Out.Quiet {
			if err := opts.Out.Line("%s", cliutil.Printable(event.ID)); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, row(opts, event))
	}
	if len(rows) == 0 {
		return nil
	}
	return opts.Out.Table([]string{"WHEN", "TYPE", "ACTOR", "KEY", "DETAILS"}, rows)
}

func take(events iter.Seq2[api.Event, error], limit int) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		n := 0
		for e, err := range events {
			if !yield(e, err) {
				return
			}
			if n++; n >= limit {
				return
			}
		}
	}
}

// watch asks again and again for what came after the last event seen, until Ctrl-C, which is how it ends well. The client
// rides out a service that is away for a moment.
func watch(ctx context.Context, opts *ListOptions, c *client.Client, org string) error {
	filter := opts.Filter
	last, err := newest(ctx, c, org)
	if err != nil {
		return err
	}
	filter.After, filter.Limit = last, 1000
	if filter.Since.IsZero() {
		filter.Since = opts.Now().Add(-time.Minute) // only matters while there was no event at all
	}
	timer := time.NewTicker(watchEvery)
	defer timer.Stop()
	for {
		for e, err := range c.Events(ctx, org, filter) {
			if ctx.Err() != nil {
				return nil // Ctrl-C ends a watch
			}
			if err != nil {
				return err
			}
			filter.After = e.ID
			if err := printOne(opts, e); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// newest is the id of the newest event, empty when there is none.
func newest(ctx context.Context, c *client.Client, org string) (string, error) {
	for e, err := range c.Events(ctx, org, client.ListEventsOptions{Limit: 1}) {
		return e.ID, err
	}
	return "", nil
}

func printOne(opts *ListOptions, e api.Event) error {
	switch {
	case opts.Out.Structured():
		return opts.Out.ObjectLine(e)
	case opts.Out.Quiet:
		return opts.Out.Line("%s", cliutil.Printable(e.ID))
	}
	return opts.Out.Line("%s", strings.Join(cliutil.PrintableAll(row(opts, e)), "\t"))
}

func row(opts *ListOptions, e api.Event) []string {
	when := cliutil.Stamp(&e.At)
	if opts.Out.IO.OutTTY && !opts.Watch {
		when = cliutil.Ago(opts.Now(), &e.At)
	}
	key := ""
	if e.KeyID != nil {
		key = *e.KeyID
	}
	var details []string
	for _, name := range slices.Sorted(maps.Keys(e.Data)) {
		details = append(details, name+"="+e.Data[name])
	}
	return []string{when, e.Type, e.Actor.Name, key, strings.Join(details, " ")}
}
