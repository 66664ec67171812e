package core_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want, off []string
	for i := range 9 {
		k, _ := f.create(core.NewKey{Name: string(rune('z' - i))})
		want = append(want, k.ID)
		if i%2 == 0 {
			off = append(off, k.ID)
			_, err := f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", k.ID, false, "")
			f.must(err)
		}
	}
	if !slices.IsSorted(want) {
		t.Fatal("ids do not sort by time")
	}
	list := func(in core.ListKeys) (ids []string) {
		for {
			page, err := f.svc.Keys(t.Context(), f.owner, "acme", in)
			f.must(err)
			for _, k := range page.Keys {
				ids = append(ids, k.ID)
			}
			if in.Limit > 0 && len(page.Keys) > in.Limit {
				t.Fatalf("%d keys on a page of %d", len(page.Keys), in.Limit)
			}
			if page.NextToken == "" {
				return ids
			}
			in.Token = page.NextToken
		}
	}
	for _, limit := range []int{0, 1, 2, 3, 8, 9, 10, 1000} {
		f.equal("all", list(core.ListKeys{Limit: limit}), want)
		f.equal("disabled", list(core.ListKeys{Limit: limit, Status: api.StatusDisabled}), off)
	}
	f.equal("expired", list(core.ListKeys{Status: api.StatusExpired}), []string{})

	page, err := f.svc.Keys(t.Context(), f.owner, "acme", core.ListKeys{Limit: 2})
	f.must(err)
	token := page.NextToken
	for name, tt := range map[string]struct {
		in   core.ListKeys
		text string
	}{
		"negative limit":      {core.ListKeys{Limit: -1}, "the limit -1 is not from 1 to 1000"},
		"limit too big":       {core.ListKeys{Limit: 1001}, "the limit 1001 is not from 1 to 1000"},
		"unknown status":      {core.ListKeys{Status: "on"}, `the status "on" is none of [enabled disabled expired]`},
		"junk":                {core.ListKeys{Token: "junk!"}, "the page token is not one"},
		"padded":              {core.ListKeys{Token: token + "="}, "the page token is not one"},
		"cut":                 {core.ListKeys{Token: token[:len(token)-4]}, "the page token is not one"},
		"other version":       {core.ListKeys{Token: "AQBr" + token[4:]}, "the page token is not one"},
		"of another order":    {core.ListKeys{Token: token, Sort: api.SortName}, "the page token is not one"},
		"turned round":        {core.ListKeys{Token: token, Sort: "-created"}, "the page token is not one"},
		"of other tags":       {core.ListKeys{Token: token, Tags: []string{"a=b"}}, "the page token is not one"},
		"of other use":        {core.ListKeys{Token: token, NeverUsed: true}, "the page token is not one"},
		"of another time":     {core.ListKeys{Token: token, UnusedSince: f.clock.now()}, "the page token is not one"},
		"of another expiry":   {core.ListKeys{Token: token, ExpiresBefore: f.clock.now()}, "the page token is not one"},
		"unknown order":       {core.ListKeys{Sort: "age"}, `the order "age" is none of [created -created name`},
		"turned twice":        {core.ListKeys{Sort: "--name"}, `the order "--name" is none of`},
		"nothing turned":      {core.ListKeys{Sort: "-"}, `the order "-" is none of`},
		"tag without value":   {core.ListKeys{Tags: []string{"team"}}, `the tag "team" has no name, or no '='`},
		"tag without name":    {core.ListKeys{Tags: []string{"=web"}}, `the tag "=web" has no name`},
		"empty tag":           {core.ListKeys{Tags: []string{""}}, `the tag "" has no name`},
		"tag not in UTF-8":    {core.ListKeys{Tags: []string{"a=\xff"}}, "is not valid UTF-8"},
		"endless tag":         {core.ListKeys{Tags: []string{"a=" + strings.Repeat("b", 1<<16)}}, "too long"},
		"17 tags":             {core.ListKeys{Tags: make([]string, 17)}, "there are 17 tags to filter by: at most 16"},
		"a secret as tag":     {core.ListKeys{Tags: []string{secret.New(secret.Key).Reveal()}}, "the tag (a secret) has no name"},
		"of another status":   {core.ListKeys{Token: token, Status: api.StatusEnabled}, "the page token is not one"},
		"an id":               {core.ListKeys{Token: want[0]}, "the page token is not one"},
		"not in base64url":    {core.ListKeys{Token: "AQB+/w"}, "the page token is not one"},
		"only version":        {core.ListKeys{Token: "AQ"}, "the page token is not one"},
		"no id":               {core.ListKeys{Token: "AQA"}, "the page token is not one"},
		"very long":           {core.ListKeys{Token: strings.Repeat("A", 1<<20)}, "the page token is not one"},
		"a secret is no page": {core.ListKeys{Token: secret.New(secret.Key).Reveal()}, "the page token is not one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := f.svc.Keys(t.Context(), f.owner, "acme", tt.in)
			wantRefusal(t, err, api.CodeInvalidRequest, tt.text)
		})
	}
}
