package core

import (
	"maps"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/pkg/api"
)

// provider is what is known of a platform whose jobs carry tokens.
type provider struct {
	name    api.TrustProvider
	issuer  string   // the public instance's; empty: there is none
	needs   string   // the claim that every rule names; empty: one of any name
	path    bool     // that claim is a path such as owner/name, compared regardless of case as the platform does
	also    []string // what else a rule may ask for; nil: any claim
	pins    []string // numbers that the platform gives once: names can be taken over, these can't
	event   string   // the claim that says what set the job off
	refused []string // events whose code nobody has reviewed
	told    []string // what events of Keyfob keep of a token, for people
}

// workflow is a condition that is no claim: the file below .github/workflows that the job is defined in.
const workflow = "workflow"

// providers is the one table of platforms.
func providers() []provider {
	return []provider{
		{
			name: api.TrustGitHub, issuer: "https://token.actions.githubusercontent.com", needs: "repository", path: true,
			also: []string{"environment", "ref", workflow}, pins: []string{"repository_id", "repository_owner_id"},
			event: "event_name", refused: []string{"pull_request_target", "pull_request"},
			told: []string{"sub", "ref", "sha", "job_workflow_ref", "run_id", "actor", "event_name", "environment"},
		},
		{
			name: api.TrustGitLab, issuer: "https://gitlab.com", needs: "project_path", path: true,
			also: []string{"environment", "ref_path"}, pins: []string{"project_id", "namespace_id"},
			event: "pipeline_source", refused: []string{"merge_request_event", "external_pull_request_event"},
			told: []string{"sub", "ref_path", "sha", "pipeline_id", "job_id", "user_login", "pipeline_source", "environment"},
		},
		{name: api.TrustOIDC, told: []string{"sub"}},
	}
}

func providerOf(name api.TrustProvider) (provider, error) {
	for _, p := range providers() {
		if p.name == name {
			return p, nil
		}
	}
	return provider{}, refusef(api.CodeInvalidRequest, "take one of "+strings.Join(texts(api.TrustProviders()), ", "),
		"there is no provider %s", shown(string(name)))
}

// platformOf returns whose public instance an issuer is.
func platformOf(issuer string) (api.TrustProvider, bool) {
	for _, p := range providers() {
		if p.issuer != "" && p.issuer == issuer {
			return p.name, true
		}
	}
	return "", false
}

const (
	conditionsMax = 16
	conditionMax  = 255 // characters
)

// conditions checks what a rule asks of a token. Each value is compared as it is: there are no wildcards, and an empty one would
// ask for nothing.
func (p provider) conditions(in map[string]string) (map[string]string, error) {
	if len(in) == 0 || len(in) > conditionsMax {
		return nil, invalidf("the rule has %d conditions: 1 to %d", len(in), conditionsMax)
	}
	if p.needs != "" && in[p.needs] == "" {
		return nil, invalidf("a rule for %s needs the condition %s", p.name, p.needs)
	}
	// What every token has or what is checked anyway says nothing of the job; a verified address is one that some provider lets
	// its users type (CVE-2026-55076).
	never := []string{"iss", "aud", "exp", "iat", "nbf", "jti", "email_verified", ""}
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		known := p.needs == "" || name == p.needs || slices.Contains(p.also, name)
		if !known || slices.Contains(never, name) {
			return nil, invalidf("a rule for %s can't ask for %s", p.name, shown(name))
		}
		if _, err := normalText("the name of a claim", name, 1, nameMax); err != nil {
			return nil, err
		}
		value, err := normalText("the value of "+name, in[name], 1, conditionMax)
		if err != nil {
			return nil, err
		}
		if err := p.checkValue(name, value); err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

func (p provider) checkValue(name, value string) error {
	const path = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/"
	switch {
	case strings.Contains(value, "*"):
		return refusef(api.CodeInvalidRequest, "make a rule for each", "the value of %s %s is compared as it is: '*' is no wildcard", name, shown(value))
	case p.path && name == p.needs && (strings.Trim(value, path) != "" || slices.Contains(strings.Split(value, "/"), "") || !strings.Contains(value, "/")),
		p.name == api.TrustGitHub && name == p.needs && strings.Count(value, "/") != 1:
		return invalidf("the value of %s %s is not of the form OWNER/NAME", name, shown(value))
	case strings.HasPrefix(name, "ref") && p.path && !strings.HasPrefix(value, "refs/"):
		return refusef(api.CodeInvalidRequest, "write it as refs/heads/main or refs/tags/v1", "the value of %s %s does not begin with refs/", name, shown(value))
	case name == workflow && p.path && strings.ContainsAny(value, "/@"):
		return refusef(api.CodeInvalidRequest, "name the file alone, such as rotate.yml", "the value of %s %s is no name of a file", name, shown(value))
	}
	return nil
}
