package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
)

// claims are what a token says; its signature was checked.
type claims map[string]any

// text returns a claim that is a string. A number or a boolean is none: "true" is not true.
func (c claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// mismatch says why a rule does not let the token in; empty: it does.
func mismatch(r store.TrustRule, c claims) string {
	p, err := providerOf(providerName(r))
	if err != nil {
		return "its provider is not known any more"
	}
	if len(r.Conditions) == 0 {
		return "it has no conditions"
	}
	for _, name := range slices.Sorted(maps.Keys(r.Conditions)) {
		if why := p.compare(name, r.Conditions[name], c); why != "" {
			return why
		}
	}
	if why := p.eventRefused(c); why != "" {
		return why
	}
	for _, name := range p.pins {
		now, before := c.text(name), r.Pins[name]
		switch {
		case now == "" || strings.Trim(now, "0123456789") != "":
			return name + " is missing or no number"
		case before != "" && now != before:
			return fmt.Sprintf("%s is %s, and was %s when the rule was first used: the name is another's now", name, now, before)
		}
	}
	return ""
}

// names says whether a token is, by what it says, of the project that the rule is for.
func names(r store.TrustRule, c claims) bool {
	p, err := providerOf(providerName(r))
	if err != nil {
		return false
	}
	if p.needs == "" {
		return slices.ContainsFunc(slices.Collect(maps.Keys(r.Conditions)), func(name string) bool { return c.text(name) == r.Conditions[name] })
	}
	return p.compare(p.needs, r.Conditions[p.needs], c) == ""
}

func (p provider) compare(name, want string, c claims) string {
	got, ok := c[name].(string)
	if name == workflow && p.path {
		return p.compareWorkflow(want, c)
	}
	switch {
	case want == "":
		return "its condition " + name + " is empty"
	case c[name] == nil:
		return name + " is missing"
	case !ok:
		return name + " is no string"
	case got == want, p.path && name == p.needs && ascii(got) && strings.EqualFold(got, want):
		return ""
	}
	return fmt.Sprintf("%s is %s", name, shown(got))
}

// compareWorkflow compares the whole of job_workflow_ref with what it must be for this file, so that nothing in a branch's or a
// file's name can pass for a part of it. A workflow of another repository that is called is another workflow.
func (p provider) compareWorkflow(file string, c claims) string {
	got := c.text("job_workflow_ref")
	for _, at := range []string{c.text("ref"), c.text("sha")} {
		if at != "" && got == c.text(p.needs)+"/.github/workflows/"+file+"@"+at {
			return ""
		}
	}
	return "job_workflow_ref is " + shown(got)
}

// eventRefused says whether the job runs code that nobody with a right to the project has reviewed.
func (p provider) eventRefused(c claims) string {
	if p.event == "" {
		return ""
	}
	event, ref := c.text(p.event), c.text("ref")
	switch {
	case event == "":
		return p.event + " is missing"
	case slices.Contains(p.refused, event):
		return p.event + " is " + event + ", which is never let in"
	case strings.HasPrefix(ref, "refs/pull/"):
		return "ref is that of a pull request, which is never let in"
	}
	return ""
}

// ascii keeps the Kelvin sign from passing for a k.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isASCII(r) })
}

// choose returns the rule that lets the token in: of several that match in one org the one with the most conditions, and of
// those the oldest. Else it says why none does.
func choose(rules []store.TrustRule, c claims) (store.TrustRule, string) {
	var (
		best store.TrustRule
		why  []string
	)
	about := slices.ContainsFunc(rules, func(r store.TrustRule) bool { return names(r, c) })
	for _, r := range rules {
		if about && !names(r, c) {
			continue // what other projects' rules lack says nothing
		}
		switch reason := mismatch(r, c); {
		case reason != "":
			why = append(why, "rule "+shown(r.Name)+": "+reason)
		case best.ID == "":
			best = r
		case best.OrgID != r.OrgID:
			return store.TrustRule{}, "rules of several organisations match; the exchange must name one (KEYFOB_ORG)"
		case len(r.Conditions) > len(best.Conditions):
			best = r
		}
	}
	if best.ID != "" {
		return best, ""
	}
	const most = 8
	if len(why) > most {
		why = append(why[:most], fmt.Sprintf("and %d more", len(why)-most))
	}
	return store.TrustRule{}, strings.Join(why, "; ")
}
