package server

import (
	"net/http"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

// trustRule makes a rule of acme's and returns its id.
func (h *harness) trustRule(name string) string {
	h.t.Helper()
	path, body, _ := route{operation: "createTrustRule", pattern: "/v1/orgs/{org}/trust-rules"}.request(things{org: "acme", fresh: "of " + name})
	return decodeAs[api.TrustRuleEnvelope](h.as(h.acme, "POST", path, body).want(http.StatusCreated)).Rule.ID
}

func TestTrustRules(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const path = "/v1/orgs/acme/trust-rules"
	const github = `{"provider":"github","conditions":{"repository":"acme/app","environment":"prod"},"permissions":["keys:rotate"],"keys":["ci-*"]}`
	rule := decodeAs[api.TrustRuleEnvelope](h.as(h.acme, "POST", path, github).want(http.StatusCreated)).Rule
	if rule.Name != "acme/app prod" || rule.Issuer != "https://token.actions.githubusercontent.com" || rule.Audience != "https://keys.example.com" {
		t.Errorf("%+v", rule)
	}
	h.as(h.acme, "POST", path, github).problem(api.CodeNameTaken)
	for what, body := range map[string]string{
		"no conditions":       `{"provider":"github","conditions":{},"permissions":["keys:rotate"],"keys":["*"]}`,
		"no repository":       `{"provider":"github","conditions":{"environment":"x"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"an empty value":      `{"provider":"github","conditions":{"repository":"a/b","environment":""},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a wildcard":          `{"provider":"github","conditions":{"repository":"acme/*"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a wildcard in sub":   `{"provider":"oidc","issuer":"https://a.example","conditions":{"sub":"*"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a path of one part":  `{"provider":"gitlab","conditions":{"project_path":"acme"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a short ref":         `{"provider":"github","conditions":{"repository":"a/b","ref":"main"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"@ in the workflow":   `{"provider":"github","conditions":{"repository":"a/b","workflow":"x.yml@refs"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a claim of another":  `{"provider":"github","conditions":{"repository":"a/b","project_path":"a/b"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a checked claim":     `{"provider":"oidc","issuer":"https://a.example","conditions":{"email_verified":"true"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"no issuer":           `{"provider":"oidc","conditions":{"sub":"x"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"plain http":          `{"provider":"oidc","issuer":"http://a.example","conditions":{"sub":"x"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"a user in the URL":   `{"provider":"oidc","issuer":"https://u@a.example","conditions":{"sub":"x"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"GitHub by oidc":      `{"provider":"oidc","issuer":"https://token.actions.githubusercontent.com","conditions":{"sub":"x"},"permissions":["keys:rotate"],"keys":["*"]}`,
		"no permission":       `{"provider":"github","conditions":{"repository":"a/b"},"permissions":[],"keys":["*"]}`,
		"a right to widen":    `{"provider":"github","conditions":{"repository":"a/b"},"permissions":["trust:write"],"keys":["*"]}`,
		"a right to invite":   `{"provider":"github","conditions":{"repository":"a/b"},"permissions":["members:write"],"keys":["*"]}`,
		"no keys":             `{"provider":"github","conditions":{"repository":"a/b"},"permissions":["keys:rotate"],"keys":[]}`,
		"an empty pattern":    `{"provider":"github","conditions":{"repository":"a/b"},"permissions":["keys:rotate"],"keys":[""]}`,
		"an unknown provider": `{"provider":"jenkins","conditions":{"repository":"a/b"},"permissions":["keys:rotate"],"keys":["*"]}`,
	} {
		if p := h.on(t).as(h.acme, "POST", path, body).problem(api.CodeInvalidRequest); p.Detail == "" {
			t.Errorf("%s: %+v", what, p)
		}
	}
	list := decodeAs[api.TrustRuleList](h.as(h.acme, "GET", path, "").want(http.StatusOK))
	if len(list.Rules) != 1 || list.Rules[0].ID != rule.ID {
		t.Errorf("%+v", list)
	}
	h.as(h.acme, "DELETE", path+"/acme%2Fapp%20PROD", "").want(http.StatusNoContent)
	h.as(h.acme, "DELETE", path+"/"+rule.ID, "").problem(api.CodeTrustNotFound)
}
