package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, secret := h.newKey(h.acme, "k")
	empty := h.as(h.acme, "GET", keysPath+"/k/usage", "").want(http.StatusOK)
	if got, want := strings.TrimSpace(string(empty.body)), `{"usage":{"last_used_at":null,"calls_1h":0,"calls_24h":0,"callers":[],"hours":[]}}`; got != want {
		t.Errorf("no use: %s", got)
	}
	for _, agent := range []string{"curl/8.1 (x)", "curl/8.1", "evil/1\u009b\u202e", ""} {
		h.call("GET", "/v1/self", "", "X-API-Key", secret, "User-Agent", agent, "X-Forwarded-For", "203.0.113.9").want(http.StatusOK)
	}
	use := decodeAs[api.UsageEnvelope](h.as(h.acme, "GET", keysPath+"/k/usage", "").want(http.StatusOK)).Usage
	var callers []string
	for _, c := range use.Callers {
		callers = append(callers, c.Address+" "+c.Agent)
	}
	want := []string{"127.0.0.0/24 ", "127.0.0.0/24 evil/1", "127.0.0.0/24 curl/8.1"}
	if diff := cmp.Diff(want, callers); diff != "" || use.Calls1h != 4 || use.Calls24h != 4 || len(use.Hours) != 1 || use.Hours[0].Calls != 4 || !use.LastUsedAt.Equal(use.Callers[0].LastUsedAt) {
		t.Errorf("%+v: %s", use, diff)
	}
	h.as(h.acme, "GET", keysPath+"/none/usage", "").problem(api.CodeKeyNotFound)
}

func TestLookupByBody(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "k")
	h.newKey(h.acme, "lookup")
	plain := *h // the validator takes the path for that of the operation
	plain.client = &http.Client{Timeout: h.client.Timeout}
	plain.as(h.acme, "GET", keysPath+"/lookup", "").want(http.StatusOK) // a key may be called so
	_, foreign := h.newKey(h.globex, "k")
	const path = keysPath + "/lookup"
	found := decodeAs[api.Lookup](h.as(h.acme, "POST", path, `{"secret":`+quote(secret)+`}`).want(http.StatusOK))
	if diff := cmp.Diff(api.Lookup{Key: key, Secret: key.Secrets[0]}, found); diff != "" {
		t.Error(diff)
	}
	h.as(h.acme, "POST", path, `{"secret":`+quote(foreign)+`}`).problem(api.CodeKeyNotFound)
	for body, detail := range map[string]string{
		`{}`:                  `the member "secret" is missing`,
		`{"secret":null}`:     `the member "secret" can't be null`,
		`{"secret":["a"]}`:    `the member "secret" must be a string`,
		`{"secret":"","a":1}`: `unknown member "a"`,
		``:                    "the body is empty",
		`{"secret":""}`:       "does not have the form",
		`{"secret":` + quote(secret[:len(secret)-1]+"!") + `}`:    "does not have the form",
		`{"secret":` + quote("kf_"+strings.Repeat("0", 38)) + `}`: "its checksum is wrong",
		`{"secret":` + quote(strings.Repeat("k", 60_000)) + `}`:   "does not have the form",
		`{"secret":"` + secret + `"`:                              "not valid JSON",
		`{"secret":"` + secret + `","` + secret + `":1}`:          "unknown member",
	} {
		a := h.as(h.acme, "POST", path, body, "Content-Type", "application/json")
		if p := a.problem(api.CodeInvalidRequest); !strings.Contains(p.Detail, detail) {
			t.Errorf("%.80s: %s", body, p.Detail)
		}
	}
	h.as(h.acme, "POST", path, `{"secret":`+quote(secret)+`}`, "Content-Type", "text/plain").problem(api.CodeUnsupportedMedia)
	if strings.Contains(h.log.String(), secret[4:]) || strings.Contains(h.log.String(), foreign[4:]) {
		t.Error("the log holds a secret")
	}
}

func TestListEvents(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "k")
	h.newKey(h.globex, "foreign")
	since := h.clock.Now()
	h.as(h.acme, "PATCH", keysPath+"/k", `{"name":"k2"}`).want(http.StatusOK)
	h.as(h.acme, "POST", keysPath+"/k2/reveal", "").want(http.StatusOK)
	h.as(h.acme, "DELETE", keysPath+"/k2", "").want(http.StatusNoContent)
	read := func(query string) (types []string, events []api.Event) {
		t.Helper()
		token := ""
		for {
			page := decodeAs[api.EventList](h.as(h.acme, "GET", "/v1/orgs/acme/events?limit=2&"+query+"&page_token="+token, "").want(http.StatusOK))
			for _, e := range page.Events {
				types, events = append(types, e.Type), append(events, e)
			}
			if token = page.NextPageToken; token == "" {
				return types, events
			}
		}
	}
	_, all := read("")
	first := all[len(all)-1]
	for query, want := range map[string][]string{
		"":                                  {"key.deleted", "key.revealed", "key.renamed", "key.created", "session.created", "org.created"},
		"key=" + key.ID:                     {"key.deleted", "key.revealed", "key.renamed", "key.created"},
		"type=session":                      {"session.created"},
		"type=key.renamed":                  {"key.renamed"},
		"since=" + stamp(since):             {"key.deleted", "key.revealed", "key.renamed"},
		"actor=acme+owner&type=key.created": {"key.created"},
		"actor=" + h.acme.user.ID + "&type=session": {"session.created"},
		"after=" + first.ID + "&type=key":           {"key.created", "key.renamed", "key.revealed", "key.deleted"},
		"after=" + all[0].ID:                        nil,
	} {
		got, _ := read(query)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	want := api.Event{ID: all[2].ID, At: all[2].At, Type: "key.renamed", Actor: key.CreatedBy, KeyID: &key.ID, Data: map[string]string{"from": "k", "to": "k2"}}
	if diff := cmp.Diff(want, all[2]); diff != "" {
		t.Error(diff)
	}
	if first.KeyID != nil {
		t.Errorf("the org's event is of key %s", *first.KeyID)
	}
	empty := h.as(h.acme, "GET", "/v1/orgs/acme/events?after="+all[0].ID, "").want(http.StatusOK)
	if got := strings.TrimSpace(string(empty.body)); got != `{"events":[],"next_page_token":""}` {
		t.Errorf("no events: %s", got)
	}
	for query, names := range map[string]string{
		"limit=0": "limit", "limit=-1": "limit", "limit=1000000000": "limit", "page_token=x": "page token", "type=nope": "nope", "type=": "type",
		"key=": "key", "actor=": "actor", "after=": "after", "after=x": `"x"`, "since=x": "since", "since=": "since", "actor=a&actor=b": "actor",
		"key=" + secret: "not by its secret", "actor=" + secret: "not by a secret", "actor=" + strings.Repeat("a", 257): "actor",
		"key=a%00b%": "query", "after=" + strings.Repeat("e", 65): "after",
	} {
		a := h.as(h.acme, "GET", "/v1/orgs/acme/events?"+query, "")
		if p := a.problem(api.CodeInvalidRequest); !strings.Contains(p.Detail, names) || strings.Contains(p.Detail, secret) {
			t.Errorf("%s: %s", query, p.Detail)
		}
	}
	h.as(h.acme, "GET", "/v1/orgs/acme/events?key=none", "").problem(api.CodeKeyNotFound)
	if strings.Contains(h.log.String(), secret[4:]) {
		t.Error("the log holds a secret")
	}
}
