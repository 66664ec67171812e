package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/internal/openid"
	"github.com/keyfob/keyfob/internal/store/sqlite"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/test/oidc/issuer"
)

// claims are GitHub's with some changed.
func (j jobs) github(change map[string]any) map[string]any {
	c := j.issuer.GitHub(ours)
	maps.Copy(c, change)
	return c
}

func TestATokenIsTakenOnce(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	token := j.issuer.Sign(j.issuer.GitHub(ours))
	j.exchange(token).want(http.StatusOK)
	j.refused(j.exchange(token), "used before")
	// The same jti in another token is no other token.
	c := j.issuer.GitHub(ours)
	j.letIn(c)
	c["run_id"] = "78"
	j.refused(j.exchange(j.issuer.Sign(c)), "used before")
}

// TestATokenIsTakenOnceByReplicas has two services over one database exchange each token at the same moment.
func TestATokenIsTakenOnceByReplicas(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	other, err := core.New(core.Config{
		Store: j.db.Open(t), Now: j.clock.Now, Tokens: openid.NewJobs(nil, true), Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}},
	})
	noError(t, err)
	t.Cleanup(func() { noError(t, other.Close(context.WithoutCancel(t.Context()))) })
	for range 10 {
		token := j.issuer.Sign(j.issuer.GitHub(ours))
		var (
			wg     sync.WaitGroup
			mu     sync.Mutex
			taken  int
			others []error
		)
		for n := range 8 {
			wg.Go(func() {
				service := []*core.Service{j.core, other}[n%2]
				_, err := service.ExchangeToken(t.Context(), core.Exchange{Token: token, Ours: ours})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					taken++
				} else if !errors.Is(err, core.ErrTokenRefused) {
					others = append(others, err)
				}
			})
		}
		wg.Wait()
		if taken != 1 || len(others) > 0 {
			t.Fatalf("taken %d times; %v", taken, others)
		}
	}
}

func TestNamesThatOthersTookOver(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	j.letIn(j.github(map[string]any{"repository": "Acme/App"})) // GitHub compares them so
	j.refused(j.exchange(j.issuer.Sign(j.github(map[string]any{"repository_owner_id": "43"}))), "repository_owner_id is 43, and was 42")
	j.refused(j.exchange(j.issuer.Sign(j.github(map[string]any{"repository_id": "1002"}))), "repository_id is 1002, and was 1001")
	j.letIn(j.github(nil))
}

func TestConditionsOfRules(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	j.rule(`"name":"ref","provider":"github","conditions":{"repository":"acme/web","ref":"refs/heads/main","workflow":"rotate.yml"}`)
	j.rule(`"name":"lab","provider":"gitlab","conditions":{"project_path":"acme/lab","environment":"prod"}`)
	j.rule(`"name":"any","provider":"oidc","conditions":{"sub":"repo:acme/old:ref:refs/heads/main"}`)
	j.rule(`"name":"flag","provider":"oidc","conditions":{"flag":"true"}`)
	at := func(file, ref string) map[string]any {
		return j.github(map[string]any{
			"repository": "acme/web", "job_workflow_ref": "acme/web/.github/workflows/" + file + "@" + ref,
		})
	}
	lab := func(change map[string]any) map[string]any {
		c := j.issuer.GitLab(ours)
		maps.Copy(c, map[string]any{"project_path": "acme/lab", "environment": "prod"})
		maps.Copy(c, change)
		return c
	}
	sub := func(sub string) map[string]any {
		c := j.issuer.Claims(ours)
		c["sub"] = sub
		return c
	}
	flag := func(value any) map[string]any {
		c := sub("x")
		c["flag"] = value
		return c
	}
	for _, tt := range []struct {
		name   string
		claims map[string]any
		reason string // empty: it is let in
	}{
		{"workflow at its ref", at("rotate.yml", "refs/heads/main"), ""},
		{"workflow at its sha", at("rotate.yml", strings.Repeat("a", 40)), ""},
		{"another file", at("other.yml", "refs/heads/main"), "job_workflow_ref is"},
		{"another ref of the workflow", at("rotate.yml", "refs/heads/evil"), "job_workflow_ref is"},
		{"116 @ in the file's name", at("rotate.yml@refs/heads/main.yml", "refs/heads/evil"), "job_workflow_ref is"},
		{"116 @ in the branch's name", at("rotate.yml", "refs/heads/main@x"), "job_workflow_ref is"},
		{"116 empty", at("rotate.yml", ""), "job_workflow_ref is"},
		{"gitlab", lab(nil), ""},
		{"gitlab, another namespace", lab(map[string]any{"namespace_id": "4"}), "namespace_id is 4, and was 3"},
		{"113 merge request", lab(map[string]any{"pipeline_source": "merge_request_event"}), "pipeline_source is merge_request_event"},
		{"gitlab without a source", lab(map[string]any{"pipeline_source": nil}), "pipeline_source is missing"},
		{"115 sub", sub("repo:acme/old:ref:refs/heads/main"), ""},
		{"115 immutable sub", sub("repo:acme@42/old@1001:ref:refs/heads/main"), "sub is"},
		{"115 sub with more", sub("repo:acme/old:ref:refs/heads/main2"), "sub is"},
		{"115 a wildcard as sub", sub("*"), "sub is"},
		{"117 a string", flag("true"), ""},
		{"117 a boolean", flag(true), "flag is no string"},
		{"117 a number", flag(1), "flag is no string"},
		{"117 a list", flag([]string{"true"}), "flag is no string"},
	} {
		a := j.exchange(j.issuer.Sign(tt.claims))
		if tt.reason == "" {
			a.want(http.StatusOK)
			continue
		}
		j.refused(a, tt.reason)
		if t.Failed() {
			t.Fatalf("at %s", tt.name)
		}
	}
}

func TestTheNarrowestRuleLetsIn(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	wide := j.rule(`"name":"wide","provider":"github","conditions":{"repository":"acme/app"}`)
	info := decodeAs[api.SessionInfo](j.as(j.letIn(j.github(nil)), "GET", "/v1/session", "").want(http.StatusOK))
	if info.User.Name != "acme/app prod" {
		t.Errorf("let in by %q", info.User.Name)
	}
	c := j.github(nil)
	delete(c, "environment")
	info = decodeAs[api.SessionInfo](j.as(j.letIn(c), "GET", "/v1/session", "").want(http.StatusOK))
	if info.User.ID != wide.ID {
		t.Errorf("let in by %q", info.User.Name)
	}
}

// What is asked must be right; a token that is not taken is another matter.
func TestExchangesThatAreNone(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	token := j.issuer.Sign(j.issuer.GitHub(ours))
	for want, more := range map[string][]string{
		`"unsupported_grant_type"`:                           {"grant_type", "client_credentials"},
		`parameter subject_token is missing`:                 {"subject_token", ""},
		`parameter subject_token_type must`:                  {"subject_token_type", "urn:ietf:params:oauth:token-type:saml2"},
		`parameter requested_token_type must`:                {"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"},
		`parameter actor_token is not taken`:                 {"actor_token", "x"},
		`parameter audience is longer than 256 characters"}`: {"audience", strings.Repeat("x", 257)},
	} {
		if a := j.exchange(token, more...).want(http.StatusBadRequest); !strings.Contains(string(a.body), want) {
			t.Errorf("%s, want %s", a.body, want)
		}
	}
	j.refused(j.exchange(token, "audience", "https://other.example"), "it was to be exchanged for")
	j.exchange(token, "org", "").want(http.StatusOK) // no other was taken for it, and one org has a rule
	j.refused(j.exchange(token, "org", ""), "used before")
}

// Only rules of the org that is named count, and two orgs that trust the same job are not mixed up.
func TestOrgsThatTrustOneIssuer(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	body := `{"provider":"github","issuer":` + quote(j.issuer.URL) + `,"conditions":{"repository":"acme/app"},"permissions":["keys:read"],"keys":["*"]}`
	j.as(j.globex, "POST", "/v1/orgs/globex/trust-rules", body).want(http.StatusCreated)
	j.refused(j.exchange(j.issuer.Sign(j.github(nil)), "org", ""), "rules of several organisations match")
	j.exchange(j.issuer.Sign(j.github(nil)), "org", "nosuch").want(http.StatusBadRequest)
	got := decodeAs[api.ExchangedToken](j.exchange(j.issuer.Sign(j.github(nil)), "org", "globex").want(http.StatusOK))
	j.as(tenant{token: got.AccessToken}, "GET", "/v1/orgs/globex/keys", "").want(http.StatusOK)
	j.as(tenant{token: got.AccessToken}, "GET", "/v1/orgs/acme/keys", "").problem(api.CodeOrgNotFound)
}

func TestTooManyBadTokens(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	for range 100 {
		j.exchange("x").want(http.StatusBadRequest)
	}
	a := j.exchange(j.issuer.Sign(j.github(nil))).want(http.StatusTooManyRequests)
	if a.header.Get("Retry-After") == "" || !strings.Contains(string(a.body), string(api.OAuthUnavailable)) {
		t.Errorf("%v %s", a.header, a.body)
	}
	j.clock.add(15 * 60 * 1e9)
	j.letIn(j.github(nil))
}

// A job that may write keys can't take one out of its rule's reach, nor make one there.
func TestAJobStaysWithinItsPatterns(t *testing.T) {
	t.Parallel()
	j := newJobs(t)
	key, secret := j.newKey(j.acme, "CI-deploy")
	_, prod := j.newKey(j.acme, "prod")
	body := `{"provider":"oidc","issuer":` + quote(j.issuer.URL) + `,"conditions":{"sub":"writer"},"permissions":["keys:read","keys:write","keys:reveal"],"keys":["ci-*","*-test"]}`
	j.as(j.acme, "POST", "/v1/orgs/acme/trust-rules", body).want(http.StatusCreated)
	c := j.issuer.Claims(ours)
	c["sub"] = "writer"
	job := j.letIn(c)
	const keys = "/v1/orgs/acme/keys"
	j.as(job, "GET", keys+"/"+key.ID, "").want(http.StatusOK)
	j.as(job, "PATCH", keys+"/ci-deploy", `{"name":"deploy"}`).problem(api.CodeForbidden)
	j.as(job, "PATCH", keys+"/ci-deploy", `{"name":"web-test"}`).want(http.StatusOK)
	j.as(job, "POST", keys, `{"name":"mine"}`).problem(api.CodeForbidden)
	j.as(job, "POST", keys, `{"name":"ci-new"}`).want(http.StatusCreated)
	j.as(job, "POST", keys+"/prod/reveal", "").problem(api.CodeKeyNotFound)
	j.as(job, "DELETE", keys+"/prod", "").problem(api.CodeKeyNotFound)
	j.as(job, "GET", keys+"/prod/usage", "").problem(api.CodeKeyNotFound)
	j.as(job, "POST", keys+"/lookup", `{"secret":`+quote(prod)+`}`).problem(api.CodeKeyNotFound)
	j.as(job, "POST", keys+"/lookup", `{"secret":`+quote(secret)+`}`).want(http.StatusOK)
	list := decodeAs[api.KeyList](j.as(job, "GET", keys+"?limit=1", "").want(http.StatusOK))
	if list.NextPageToken == "" || list.Keys[0].Name != "web-test" {
		t.Errorf("%+v", list)
	}
	list = decodeAs[api.KeyList](j.as(job, "GET", keys+"?limit=1&page_token="+list.NextPageToken, "").want(http.StatusOK))
	if list.NextPageToken != "" || len(list.Keys) != 1 || list.Keys[0].Name != "ci-new" {
		t.Errorf("%+v", list)
	}
}

// BenchmarkExchange is one exchange with the issuer's keys known, through the core: signature, rules and the synced write.
func BenchmarkExchange(b *testing.B) {
	i := issuer.Start()
	defer i.Close()
	db, err := sqlite.Open(b.Context(), b.TempDir()+"/keyfob.db")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	svc, err := core.New(core.Config{Store: db, Tokens: openid.NewJobs(nil, true), Material: core.Material{MasterKey: [32]byte{1}, Pepper: [32]byte{2}}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = svc.Close(context.WithoutCancel(b.Context())) }()
	_, user, err := svc.Bootstrap(b.Context(), core.Bootstrap{OrgSlug: "acme", OrgName: "Acme", UserName: "Ada"})
	if err != nil {
		b.Fatal(err)
	}
	in, err := svc.StartSession(b.Context(), user.ID, api.SessionCLI, core.Client{})
	if err != nil {
		b.Fatal(err)
	}
	p, err := svc.Authenticate(b.Context(), in.Token.Reveal())
	if err != nil {
		b.Fatal(err)
	}
	_, err = svc.CreateTrustRule(b.Context(), p, "acme", core.NewTrustRule{
		Provider: api.TrustGitHub, Issuer: i.URL, Conditions: map[string]string{"repository": "acme/app"},
		Permissions: []api.Permission{api.KeysRotate}, KeyNames: []string{"ci-*"},
	})
	if err != nil {
		b.Fatal(err)
	}
	tokens := make([]string, 0, 512)
	for b.Loop() {
		if len(tokens) == 0 {
			b.StopTimer()
			for range cap(tokens) {
				tokens = append(tokens, i.Sign(i.GitHub(ours)))
			}
			b.StartTimer()
		}
		token := tokens[len(tokens)-1]
		tokens = tokens[:len(tokens)-1]
		if _, err := svc.ExchangeToken(b.Context(), core.Exchange{Token: token, Ours: ours}); err != nil {
			b.Fatal(err)
		}
	}
}
