package client

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// ListKeysOptions selects and orders keys.
type ListKeysOptions struct {
	Status        api.KeyStatus // empty: all
	Tags          []string      // NAME=VALUE; all of them
	NeverUsed     bool
	UnusedSince   time.Time // zero: any
	ExpiresBefore time.Time // zero: any
	Sort          api.KeySort
	Limit         int // keys a page; 0: the service's default
}

func (o ListKeysOptions) query() url.Values {
	q := url.Values{}
	set(q, "status", string(o.Status))
	set(q, "sort", string(o.Sort))
	setTime(q, "unused_since", o.UnusedSince)
	setTime(q, "expires_before", o.ExpiresBefore)
	setInt(q, "limit", o.Limit)
	if o.NeverUsed {
		q.Set("never_used", "true")
	}
	for _, tag := range o.Tags {
		q.Add("tag", tag)
	}
	return q
}

// Keys yields the organisation's keys, fetching page after page. An error is yielded once, as the last.
func (c *Client) Keys(ctx context.Context, org string, opts ListKeysOptions) iter.Seq2[api.Key, error] {
	return pages(func(query url.Values) ([]api.Key, string, error) {
		var page api.KeyList
		err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "keys"), query: query}, &page)
		return page.Keys, page.NextPageToken, err
	}, opts.query(), c.endless("keys"))
}

// KeysJSON is Keys with each key as the service wrote it, for who only passes it on: decoding and encoding 100 000 keys takes
// longer than fetching them. The next page is fetched while this one is read.
func (c *Client) KeysJSON(ctx context.Context, org string, opts ListKeysOptions) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		fetch := func(query url.Values) ([]json.RawMessage, string, error) {
			var page struct {
				Keys          []json.RawMessage `json:"keys"`
				NextPageToken string            `json:"next_page_token"`
			}
			err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "keys"), query: query}, &page)
			return page.Keys, page.NextPageToken, err
		}
		pages(ahead(fetch), opts.query(), c.endless("keys"))(yield)
	}
}

// ahead has fetch begin with the next page as soon as its token is known.
func ahead[T any](fetch func(url.Values) ([]T, string, error)) func(url.Values) ([]T, string, error) {
	type page struct {
		items []T
		next  string
		err   error
	}
	var coming chan page
	return func(query url.Values) ([]T, string, error) {
		var p page
		if coming == nil {
			p.items, p.next, p.err = fetch(query)
		} else {
			p = <-coming // ends: every request has a deadline
		}
		if p.err != nil || p.next == "" || p.next == query.Get("page_token") {
			return p.items, p.next, p.err
		}
		following := maps.Clone(query)
		following.Set("page_token", p.next)
		coming = make(chan page, 1) // a page that nobody waits for any more must find room
		go func(to chan<- page) {
			var p page
			p.items, p.next, p.err = fetch(following)
			to <- p
		}(coming)
		return p.items, p.next, p.err
	}
}

// ListEventsOptions selects events.
type ListEventsOptions struct {
	Key, Actor, Type string    // empty: any
	Since            time.Time // zero: any
	After            string    // an event's id: only later ones, oldest first
	Limit            int       // events a page; 0: the service's default
}

// Events yields the organisation's events, newest first unless After is set. An error is yielded once, as the last.
func (c *Client) Events(ctx context.Context, org string, opts ListEventsOptions) iter.Seq2[api.Event, error] {
	q := url.Values{}
	set(q, "key", opts.Key)
	set(q, "actor", opts.Actor)
	set(q, "type", opts.Type)
	set(q, "after", opts.After)
	setTime(q, "since", opts.Since)
	setInt(q, "limit", opts.Limit)
	return pages(func(query url.Values) ([]api.Event, string, error) {
		var page api.EventList
		err := c.do(ctx, request{method: http.MethodGet, path: orgPath(org, "events"), query: query}, &page)
		return page.Events, page.NextPageToken, err
	}, q, c.endless("events"))
}

// pages yields what fetch returns for one page token after the other.
func pages[T any](fetch func(url.Values) ([]T, string, error), query url.Values, endless error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for {
			items, next, err := fetch(query)
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			// A page token that repeats, or leads on from an empty page, would never end.
			if next == query.Get("page_token") || len(items) == 0 {
				yield(none, endless)
				return
			}
			query.Set("page_token", next)
		}
	}
}

func (c *Client) endless(what string) error {
	return &Error{Origin: c.Origin(), Code: CodeOddAnswer, Message: "the service's list of " + what + " does not end"}
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setTime(q url.Values, name string, t time.Time) {
	if !t.IsZero() {
		q.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func setInt(q url.Values, name string, n int) {
	if n > 0 {
		q.Set(name, strconv.Itoa(n))
	}
}
