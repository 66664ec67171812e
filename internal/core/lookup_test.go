package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, sec := f.create(core.NewKey{Name: "ci", ExpiresAt: f.clock.now().Add(time.Hour)})
	_, bo, err := f.svc.Bootstrap(t.Context(), core.Bootstrap{OrgSlug: "beta", OrgName: "Beta", UserName: "Bo"})
	f.must(err)
	_, foreigner := f.signIn(bo)
	_, foreign, _, err := f.svc.CreateKey(t.Context(), foreigner, "beta", core.NewKey{Name: "ci"})
	f.must(err)
	found := func(status api.KeyStatus) {
		f.Helper()
		got, v, err := f.svc.Lookup(t.Context(), f.owner, "acme", sec.Reveal())
		f.must(err)
		f.equal("id and status", []string{got.ID, string(got.Status)}, []string{k.ID, string(status)})
		f.equal("version", v, k.Secrets[0])
	}
	found(api.StatusEnabled)
	f.equal("it is no use", f.get("ci").LastUsedAt.IsZero(), true)
	f.equal("nor an event", f.events(k.ID), []string{"key.created"})
	f.clock.move(time.Hour)
	found(api.StatusExpired)
	_, err = f.svc.SetKeyEnabled(t.Context(), f.owner, "acme", "ci", false, "")
	f.must(err)
	found(api.StatusDisabled)

	whole := sec.Reveal()
	flipped := whole[:10] + string("AB"[map[bool]int{true: 1}[whole[10] == 'A']]) + whole[11:]
	for name, tt := range map[string]struct {
		presented, text string
		code            api.Code
	}{
		"of another org":      {foreign.Reveal(), `the secret is of no key of the organisation "acme"`, api.CodeKeyNotFound},
		"unknown":             {secret.New(secret.Key).Reveal(), "the secret is of no key", api.CodeKeyNotFound},
		"empty":               {"", "does not have the form kf_ and 38", api.CodeInvalidRequest},
		"only the prefix":     {"kf_", "form", api.CodeInvalidRequest},
		"one character other": {flipped, "checksum", api.CodeInvalidRequest},
		"the hint":            {sec.Hint(), "form", api.CodeInvalidRequest},
		"a space before":      {" " + whole, "form", api.CodeInvalidRequest},
		"a newline behind":    {whole + "\r\n", "form", api.CodeInvalidRequest},
		"byte order mark":     {"\ufeff" + whole, "form", api.CodeInvalidRequest},
		"NUL":                 {whole[:20] + "\x00" + whole[21:], "form", api.CodeInvalidRequest},
		"Cyrillic":            {strings.Replace(whole, "k", "к", 1), "form", api.CodeInvalidRequest},
		"upper case":          {strings.ToUpper(whole), "form", api.CodeInvalidRequest},
		"session token":       {f.token.Reveal(), "form", api.CodeInvalidRequest},
		"id":                  {k.ID, "form", api.CodeInvalidRequest},
		"with Bearer":         {"Bearer " + whole, "form", api.CodeInvalidRequest},
		"1 MiB":               {strings.Repeat("k", 1<<20), "form", api.CodeInvalidRequest},
	} {
		_, _, err := f.svc.Lookup(t.Context(), f.owner, "acme", tt.presented)
		f.refused(err, tt.code, tt.text)
		if tt.presented != "" && tt.presented != "kf_" && strings.Contains(err.Error(), tt.presented) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
	f.must(f.svc.DeleteKey(t.Context(), f.owner, "acme", "ci", core.DeleteKey{}))
	_, _, err = f.svc.Lookup(t.Context(), f.owner, "acme", whole)
	f.refused(err, api.CodeKeyNotFound, "the secret is of no key")
}
