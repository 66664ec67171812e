package server

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/test/oidc/issuer"
)

const ours = "https://keys.example.com" // the harness's public URL

// jobs is a harness and an issuer that acme trusts: the jobs of acme/app in prod, to rotate ci-*.
type jobs struct {
	*harness
	issuer *issuer.Issuer
}

func newJobs(t *testing.T) jobs {
	t.Helper()
	j := jobs{newHarness(t), issuer.Start()}
	t.Cleanup(j.issuer.Close)
	j.issuer.Now = j.clock.Now
	j.rule(`"provider":"github","conditions":{"repository":"acme/app","environment":"prod"}`)
	return j
}

// rule makes a rule of acme's for the issuer; what stands for it are provider and conditions.
func (j jobs) rule(what string) api.TrustRule {
	j.t.Helper()
	body := `{` + what + `,"issuer":` + quote(j.issuer.URL) + `,"permissions":["keys:read","keys:rotate"],"keys":["ci-*"]}`
	return decodeAs[api.TrustRuleEnvelope](j.as(j.acme, "POST", "/v1/orgs/acme/trust-rules", body).want(http.StatusCreated)).Rule
}

func (j jobs) exchange(token string, more ...string) answer {
	j.t.Helper()
	form := url.Values{
		"grant_type": {api.ExchangeGrantType}, "subject_token": {token}, "subject_token_type": {api.TokenTypeID}, "org": {"acme"},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return j.call("POST", "/v1/token", form.Encode(), "Content-Type", mediaForm)
}

// letIn exchanges a token that must be taken.
func (j jobs) letIn(claims map[string]any) tenant {
	j.t.Helper()
	got := decodeAs[api.ExchangedToken](j.exchange(j.issuer.Sign(claims)).want(http.StatusOK))
	return tenant{org: j.acme.org, token: got.AccessToken}
}

// refused asserts the one answer to every bad token, and what the newest event says of it.
func (j jobs) refused(a answer, reason string) {
	j.t.Helper()
	const uniform = `{"error":"invalid_grant","error_description":"the token was not accepted; why is in the events of the organisation"}` + "\n"
	if a.status != http.StatusBadRequest || string(a.body) != uniform {
		j.t.Errorf("%d %s", a.status, a.body)
	}
	list := decodeAs[api.EventList](j.as(j.acme, "GET", "/v1/orgs/acme/events?type=trust&limit=1", "").want(http.StatusOK))
	if len(list.Events) != 1 || list.Events[0].Type != "trust.refused" || !strings.Contains(list.Events[0].Data["reason"], reason) {
		j.t.Errorf("the event is %+v, want %q", list.Events, reason)
	}
}

// bad is a token of group H (108 to 119) and why it is refused.
type bad struct {
	name, reason string
	token        func(i *issuer.Issuer) string
}

// with is a token of the job of the rule, signed as it must be, with some claims changed; nil takes one out.
func with(change map[string]any) func(*issuer.Issuer) string {
	return func(i *issuer.Issuer) string {
		c := i.GitHub(ours)
		for name, value := range change {
			c[name] = value
			if value == nil {
				delete(c, name)
			}
		}
		return i.Sign(c)
	}
}

func badSignatures() []bad {
	header := func(name jose.HeaderKey, value any) func(*issuer.Issuer) string {
		return func(i *issuer.Issuer) string {
			return issuer.SignWith(jose.RS256, i.RSA, issuer.RSA, map[jose.HeaderKey]any{name: value}, i.GitHub(ours))
		}
	}
	kid := func(kid string) func(*issuer.Issuer) string {
		return func(i *issuer.Issuer) string { return issuer.SignWith(jose.RS256, i.RSA, kid, nil, i.GitHub(ours)) }
	}
	raw := func(alg string) func(*issuer.Issuer) string {
		return func(i *issuer.Issuer) string {
			return issuer.Raw(map[string]any{"alg": alg, "kid": issuer.RSA, "typ": "JWT"}, i.GitHub(ours), "")
		}
	}
	return []bad{
		{"108 alg none", `alg is "none"`, raw("none")},
		{"108 alg NoNe", `alg is "NoNe"`, raw("NoNe")},
		{"108 no alg", `alg is ""`, raw("")},
		{"108 HS256 with the public key", `alg is "HS256"`, func(i *issuer.Issuer) string {
			return issuer.SignWith(jose.HS256, x509.MarshalPKCS1PublicKey(&i.RSA.PublicKey), issuer.RSA, nil, i.GitHub(ours))
		}},
		{"108 RS512", `alg is "RS512"`, func(i *issuer.Issuer) string {
			return issuer.SignWith(jose.RS512, i.RSA, issuer.RSA, nil, i.GitHub(ours))
		}},
		{"108 another's key", "did not sign", func(i *issuer.Issuer) string {
			other, _ := rsa.GenerateKey(rand.Reader, 2048)
			return issuer.SignWith(jose.RS256, other, issuer.RSA, nil, i.GitHub(ours))
		}},
		{"108 RS256 with the EC key's id", "did not sign", kid(issuer.EC)},
		{"108 no signature", "did not sign", raw("RS256")},
		{"108 kid is a path", "no key of this kid", kid("../../../../dev/null")},
		{"108 kid is SQL", "no key of this kid", kid("' OR '1'='1")},
		{"108 kid is long", "kid is missing or too long", kid(strings.Repeat("x", 300))},
		{"108 no kid", "kid is missing", kid("")},
		{"108 jku", "brings a key of its own", header("jku", "https://evil.example/keys")},
		{"108 x5u", "brings a key of its own", header("x5u", "https://evil.example/cert")},
		{"108 jwk", "brings a key of its own", func(i *issuer.Issuer) string {
			key := jose.JSONWebKey{Key: i.RSA.Public(), KeyID: issuer.RSA}
			return issuer.SignWith(jose.RS256, i.RSA, issuer.RSA, map[jose.HeaderKey]any{"jwk": key}, i.GitHub(ours))
		}},
		{"108 crit", "crit", header("crit", []string{"exp"})},
		{"119 typ at+jwt", `typ is "at+jwt"`, header("typ", "at+jwt")},
		{"119 nested", "holds another token", header("cty", "JWT")},
		{"119 a token as payload", "holds no claims", func(i *issuer.Issuer) string {
			return issuer.SignBytes(jose.RS256, i.RSA, issuer.RSA, nil, []byte(i.Sign(i.GitHub(ours))))
		}},
		{"119 a claim twice", "one of them twice", func(i *issuer.Issuer) string {
			c, _ := json.Marshal(i.GitHub(ours))
			return issuer.SignBytes(jose.RS256, i.RSA, issuer.RSA, nil, append([]byte(`{"repository":"x/y",`), c[1:]...))
		}},
		{"119 JWE", "no signed JWT", func(i *issuer.Issuer) string {
			enc, _ := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: i.RSA.Public()}, nil)
			jwe, _ := enc.Encrypt([]byte(`{}`))
			text, _ := jwe.CompactSerialize()
			return text
		}},
		{"119 three dots", "no signed JWT", func(i *issuer.Issuer) string { return i.Sign(i.GitHub(ours)) + ".x" }},
		{"119 five dots", "no signed JWT", func(i *issuer.Issuer) string { return i.Sign(i.GitHub(ours)) + ".x.y.z" }},
		{"119 no dots", "no signed JWT", func(*issuer.Issuer) string { return "x" }},
		{"119 dots alone", "header", func(*issuer.Issuer) string { return ".." }},
		{"119 JSON serialisation", "no signed JWT", func(i *issuer.Issuer) string {
			part := strings.Split(i.Sign(i.GitHub(ours)), ".")
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, part[0], part[1], part[2])
		}},
		{"119 large", "more than 16384 bytes", with(map[string]any{"pad": strings.Repeat("x", 20<<10)})},
	}
}

func badClaims() []bad {
	const far = 1 << 62
	now := func(name string, seconds int64) func(*issuer.Issuer) string {
		return func(i *issuer.Issuer) string { return with(map[string]any{name: i.Now().Unix() + seconds})(i) }
	}
	c := func(name string, value any) func(*issuer.Issuer) string { return with(map[string]any{name: value}) }
	return []bad{
		{"109 no aud", "aud is missing", c("aud", nil)},
		{"109 empty aud", "aud is missing", c("aud", "")},
		{"109 aud is a number", "aud is missing", c("aud", 1)},
		{"109 other aud", "aud is not", c("aud", "https://github.com/acme")},
		{"109 array with ours", "aud is not", c("aud", []string{ours, "https://other.example"})},
		{"109 ours twice", "aud is not", c("aud", []string{ours, ours})},
		{"109 another deployment", "aud is not", c("aud", "https://keys.staging.example.com")},
		{"109 ours with a slash", "aud is not", c("aud", ours+"/")},
		{"110 expired", "exp is past", now("exp", -31)},
		{"110 no exp", "exp is missing", c("exp", nil)},
		{"110 exp is a string", "exp is missing or no whole", c("exp", strconv.FormatInt(time.Now().Unix()+60, 10))},
		{"110 exp is a float", "exp is missing or no whole", c("exp", float64(time.Now().Unix())+60.5)},
		{"110 exp is 2^63", "exp is missing or no whole", c("exp", json.Number("9223372036854775808"))},
		{"110 exp is 1e300", "exp is missing or no whole", c("exp", 1e300)},
		{"110 exp is far", "exp is", c("exp", far)},
		{"110 exp is next week", "more than 24h", now("exp", 7*86400)},
		{"110 exp is negative", "exp is missing", c("exp", -1)},
		{"110 nbf in the future", "nbf is in the future", now("nbf", 90)},
		{"110 nbf is a string", "nbf is in the future, or", c("nbf", "x")},
		{"110 iat in the future", "iat is in the future", now("iat", 90)},
		{"110 no iat", "iat is missing", c("iat", nil)},
		{"112 no jti", "jti is not", c("jti", nil)},
		{"112 empty jti", "jti is not", c("jti", "")},
		{"112 jti is a number", "jti is not", c("jti", 7)},
		{"112 long jti", "jti is not", c("jti", strings.Repeat("j", 256))},
		{"113 pull_request_target", "event_name is pull_request_target", c("event_name", "pull_request_target")},
		{"113 pull request of a fork", "event_name is pull_request,", c("event_name", "pull_request")},
		{"113 ref of a pull request", "ref is that of a pull request", c("ref", "refs/pull/7/merge")},
		{"113 no event", "event_name is missing", c("event_name", nil)},
		{"115 a wildcard", `repository is "acme/*"`, c("repository", "acme/*")},
		{"115 sub alone", "repository is missing", c("repository", nil)},
		{"117 no environment", "environment is missing", c("environment", nil)},
		{"117 empty environment", `environment is ""`, c("environment", "")},
		{"117 environment is true", "environment is no string", c("environment", true)},
		{"117 other environment", `environment is "PROD"`, c("environment", "PROD")},
		{"117 no repository_id", "repository_id is missing", c("repository_id", nil)},
		{"117 repository_id is a number", "repository_id is missing or no number", c("repository_id", 1001)},
	}
}

// issuers that are not the rule's (111).
func badIssuers() []bad {
	iss := func(change func(string) string) func(*issuer.Issuer) string {
		return func(i *issuer.Issuer) string { return with(map[string]any{"iss": change(i.URL)})(i) }
	}
	return []bad{
		{"111 slash", "no rule is for the issuer", iss(func(u string) string { return u + "/" })},
		{"111 case", "no rule is for the issuer", iss(strings.ToUpper)},
		{"111 user", "no rule is for the issuer", iss(func(u string) string { return strings.Replace(u, "://", "://x@", 1) })},
		{"111 IDN twin", "no rule is for the issuer", iss(func(string) string { return "https://tоken.actions.githubusercontent.com" })},
		{"111 none", "iss is missing", with(map[string]any{"iss": nil})},
		{"111 a number", "iss is missing", with(map[string]any{"iss": 1})},
	}
}

func TestBadTokensOfJobs(t *testing.T) {
	t.Parallel()
	for name, table := range map[string][]bad{"signatures": badSignatures(), "claims": badClaims(), "issuers": badIssuers()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := newJobs(t)
			for _, b := range table {
				before := j.issuer.Asked(issuer.Discovery)
				sub := jobs{j.on(t), j.issuer}
				sub.refused(j.exchange(b.token(j.issuer)), b.reason)
				if asked := j.issuer.Asked(issuer.Discovery) - before; name == "issuers" && asked > 0 {
					t.Errorf("%s: the issuer was asked", b.name)
				}
				if t.Failed() {
					t.Fatalf("at %s", b.name)
				}
			}
			j.letIn(j.issuer.GitHub(ours)) // what all of these are but for one thing
		})
	}
}

func TestExchangeOfAJob(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	key, _ := j.newKey(j.acme, "ci-deploy")
	j.newKey(j.acme, "prod")
	es256 := issuer.SignWith(jose.ES256, j.issuer.EC, issuer.EC, nil, j.issuer.GitHub(ours))
	got := decodeAs[api.ExchangedToken](j.exchange(es256, "audience", ours).want(http.StatusOK))
	if got.ExpiresIn != 900 || got.Scope != "keys:read keys:rotate" || got.TokenType != "Bearer" {
		t.Errorf("%+v", got)
	}
	job := tenant{token: got.AccessToken}

	// It reaches the keys of the rule, and to it there are no others.
	list := decodeAs[api.KeyList](j.as(job, "GET", "/v1/orgs/acme/keys", "").want(http.StatusOK))
	if len(list.Keys) != 1 || list.Keys[0].ID != key.ID {
		t.Errorf("%+v", list)
	}
	j.as(job, "GET", "/v1/orgs/acme/keys/ci-deploy", "").want(http.StatusOK)
	j.as(job, "GET", "/v1/orgs/acme/keys/prod", "").problem(api.CodeKeyNotFound)
	j.as(job, "POST", "/v1/orgs/acme/keys/prod/rotations", "{}").problem(api.CodeKeyNotFound)
	j.as(job, "GET", "/v1/orgs/globex/keys", "").problem(api.CodeOrgNotFound)
	opened := decodeAs[api.RotationOpened](j.as(job, "POST", "/v1/orgs/acme/keys/ci-deploy/rotations", "{}").want(http.StatusCreated))
	if opened.Rotation.OpenedBy.Type != api.ActorTrust || opened.Rotation.OpenedBy.Name != "acme/app prod" {
		t.Errorf("%+v", opened.Rotation.OpenedBy)
	}
	// Nothing by which it could get more, or another session.
	for _, r := range j.server.routes() {
		switch r.operation {
		case "createKey", "updateKey", "deleteKey", "disableKey", "enableKey", "revealKey", "listEvents", "listMembers", "addMember", "updateMember",
			"removeMember", "createToken", "listSessions", "endSessions", "endSession", "listTrustRules", "createTrustRule", "deleteTrustRule":
			path, body, _ := r.request(things{org: "acme", key: "ci-deploy", member: "x", session: "x", rule: "x", fresh: "ci-more"})
			j.as(job, r.method, path, body).problem(api.CodeForbidden)
		}
	}
	info := decodeAs[api.SessionInfo](j.as(job, "GET", "/v1/session", "").want(http.StatusOK))
	if info.Session.Kind != api.SessionJob || info.Orgs[0].Role != api.RoleNone || info.Session.Name != "acme/app 77" || info.Session.Keys[0] != "ci-*" {
		t.Errorf("%+v", info)
	}

	// It ends after a quarter of an hour, and with its rule.
	again := j.letIn(j.issuer.GitHub(ours))
	j.clock.add(14*time.Minute + 58*time.Second)
	j.as(job, "GET", "/v1/session", "").want(http.StatusOK)
	j.clock.add(2 * time.Second)
	j.as(job, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
	j.as(again, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
	last := j.letIn(j.issuer.GitHub(ours))
	rules := decodeAs[api.TrustRuleList](j.as(j.acme, "GET", "/v1/orgs/acme/trust-rules", "").want(http.StatusOK))
	if pins := rules.Rules[0].Pins; !maps.Equal(pins, map[string]string{"repository_id": "1001", "repository_owner_id": "42"}) {
		t.Errorf("pins %v", pins)
	}
	j.as(j.acme, "DELETE", "/v1/orgs/acme/trust-rules/"+rules.Rules[0].ID, "").want(http.StatusNoContent)
	j.as(last, "GET", "/v1/session", "").problem(api.CodeUnauthenticated)
}
