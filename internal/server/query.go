package server

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// params reads the query of a URL, each parameter at most once but for those that may be repeated. err is what was wrong
// first. Parameters that no operation knows are let be.
type params struct {
	values url.Values
	err    error
}

func query(r *http.Request) (*params, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("the query of the URL can't be read")
	}
	return &params{values: values}, nil
}

func (p *params) refuse(name, must string) {
	if p.err == nil {
		p.err = invalid("the query parameter " + name + " " + must)
	}
}

// text returns a parameter of at most most bytes; empty if it was left out.
func (p *params) text(name string, most int) string {
	if len(p.values[name]) > 1 {
		p.refuse(name, "is given more than once")
	}
	value := p.values.Get(name)
	if len(value) > most {
		p.refuse(name, "is longer than "+strconv.Itoa(most)+" bytes")
	}
	return value
}

// limit returns how many things a page may have; 0 if it was left out.
func (p *params) limit() int {
	text := p.text("limit", 16)
	if !p.values.Has("limit") {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		p.refuse("limit", "must be a number from 1 to 1000")
	}
	return n
}

func (p *params) flag(name string) bool {
	switch p.text(name, 16) {
	case "true":
		return true
	case "false":
	default:
		if p.values.Has(name) {
			p.refuse(name, "must be true or false")
		}
	}
	return false
}

// time returns a time from 1970 on; the zero time if it was left out.
func (p *params) time(name string) time.Time {
	text := p.text(name, 64)
	if !p.values.Has(name) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Unix() < 0 {
		p.refuse(name, "must be a time from 1970 on such as 2030-01-31T12:00:00Z (RFC 3339; a + is written %2B)")
	}
	return t
}

// listQuery reads which keys are asked for.
func listQuery(r *http.Request) (core.ListKeys, error) {
	const tokenMax = 2048 // it may hold a name
	q, err := query(r)
	if err != nil {
		return core.ListKeys{}, err
	}
	list := core.ListKeys{
		Limit: q.limit(), Token: q.text("page_token", tokenMax), Status: api.KeyStatus(q.text("status", 64)), Sort: api.KeySort(q.text("sort", 64)),
		NeverUsed: q.flag("never_used"), UnusedSince: q.time("unused_since"), ExpiresBefore: q.time("expires_before"),
		Tags: q.values["tag"],
	}
	if q.values.Has("status") && !slices.Contains(api.KeyStatuses(), list.Status) {
		q.refuse("status", "must be enabled, disabled or expired")
	}
	if q.values.Has("sort") && !slices.Contains(api.KeySorts(), list.Sort) {
		q.refuse("sort", "must be created, name, last_used or expires, or one of them with a - before it")
	}
	if q.err != nil {
		return core.ListKeys{}, q.err
	}
	return list, nil
}

// eventQuery reads which events are asked for. A parameter that is there must say something: an empty one is a variable that
// was not set.
func eventQuery(r *http.Request) (core.ListEvents, error) {
	q, err := query(r)
	if err != nil {
		return core.ListEvents{}, err
	}
	list := core.ListEvents{
		Limit: q.limit(), Token: q.text("page_token", 256), After: q.text("after", 64), Key: q.text("key", 256),
		Actor: q.text("actor", 256), Type: q.text("type", 64), Since: q.time("since"),
	}
	for _, name := range []string{"after", "key", "actor", "type"} {
		if q.values.Has(name) && q.values.Get(name) == "" {
			q.refuse(name, "is empty")
		}
	}
	if q.err != nil {
		return core.ListEvents{}, q.err
	}
	return list, nil
}
