package core

import (
	"slices"
	"strings"

	"github.com/keyfob/keyfob/pkg/api"
)

// isJob says that the principal is a pipeline's job, which a trust rule let in: nobody's membership counts, only its session.
func (p Principal) isJob() bool { return p.Session.Kind == api.SessionJob }

// keyNames are the folded patterns of the keys that the principal reaches; nil: all.
func (p Principal) keyNames() []string {
	if !p.isJob() {
		return nil
	}
	out := make([]string, len(p.Session.KeyNames))
	for i, pattern := range p.Session.KeyNames {
		out[i] = fold(pattern)
	}
	return out
}

// reaches says whether there is a key of this folded name for the principal.
func (p Principal) reaches(folded string) bool {
	if !p.isJob() {
		return true
	}
	return slices.ContainsFunc(p.keyNames(), func(pattern string) bool { return matches(pattern, folded) })
}

// mayName refuses a name that would take a key out of the principal's reach, or make one there.
func (p Principal) mayName(folded string) error {
	if p.reaches(folded) {
		return nil
	}
	return refusef(api.CodeForbidden, "choose a name that the rule's patterns match: "+strings.Join(p.Session.KeyNames, ", "),
		"the trust rule %s does not reach a key of this name", shown(p.User.Name))
}

// lacks refuses what the session of a program has no permission for.
func (p Principal) lacks(need api.Permission) error {
	if p.isJob() {
		return refusef(api.CodeForbidden, "have an owner or admin make a rule with this permission: keyfob trust create",
			"the trust rule %s does not give the permission %s", shown(p.User.Name), need)
	}
	return refusef(api.CodeForbidden, "make a token with this permission: keyfob auth token",
		"the token %s does not have the permission %s", shown(p.Session.Name), need)
}

// matches says whether a name has the form of a pattern, in which '*' stands for any characters, also for none.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return pattern == name
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return true
}
