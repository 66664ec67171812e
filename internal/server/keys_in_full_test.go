package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/pkg/api"
)

const keysPath = "/v1/orgs/acme/keys"

func stamp(t time.Time) string { return url.QueryEscape(t.UTC().Format(time.RFC3339Nano)) }

func TestListsByQuery(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	expires := h.clock.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	for _, body := range []string{
		`{"name":"b","tags":{"team":"web","a&b":"c=d e"}}`,
		`{"name":"a","tags":{"team":"web"},"expires_at":"` + expires.Format(time.RFC3339Nano) + `"}`,
	} {
		h.as(h.acme, "POST", keysPath, body).want(http.StatusCreated)
	}
	before := h.clock.Now()
	_, secret := h.newKey(h.acme, "c")
	h.call("GET", "/v1/self", "", "X-API-Key", secret).want(http.StatusOK)
	for query, want := range map[string][]string{
		"sort=name":                      {"a", "b", "c"},
		"sort=-name":                     {"c", "b", "a"},
		"sort=-created":                  {"c", "a", "b"},
		"sort=-last_used":                {"c", "a", "b"},
		"sort=expires":                   {"a", "b", "c"},
		"never_used=true":                {"b", "a"},
		"never_used=false":               {"b", "a", "c"},
		"tag=team%3Dweb&sort=name":       {"a", "b"},
		"tag=team=web&tag=a%26b=c%3Dd+e": {"b"},
		"tag=team=":                      nil,
		"unused_since=" + stamp(before):  {"b", "a"},
		"expires_before=" + stamp(expires.Add(time.Second)): {"a"},
		"expires_before=" + stamp(expires):                  nil,
	} {
		var got []string
		token := ""
		for {
			page := decodeAs[api.KeyList](h.as(h.acme, "GET", keysPath+"?limit=1&"+query+"&page_token="+token, "").want(http.StatusOK))
			for _, k := range page.Keys {
				got = append(got, k.Name)
			}
			if token = page.NextPageToken; token == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	token := decodeAs[api.KeyList](h.as(h.acme, "GET", keysPath+"?limit=1&sort=name", "")).NextPageToken
	for query, names := range map[string]string{
		"page_token=" + token:                       "page token",
		"sort=-name&page_token=" + token:            "page token",
		"sort=name&tag=a=b&page_token=" + token:     "page token",
		"sort=name&page_token=" + token[1:]:         "page token",
		"sort=name&page_token=" + token[:9] + "AAA": "page token",
		"sort=size":                               "sort",
		"sort=":                                   "sort",
		"sort=name&sort=name":                     "sort",
		"never_used=yes":                          "never_used",
		"never_used=":                             "never_used",
		"unused_since=yesterday":                  "unused_since",
		"unused_since=2030-01-01":                 "unused_since",
		"unused_since=0001-01-01T00:00:00Z":       "unused_since",
		"unused_since=1969-12-31T23:59:59Z":       "unused_since",
		"unused_since=2030-01-01T00:00:00+01:00":  "%2B",
		"expires_before=":                         "expires_before",
		"expires_before=10000-01-01T00:00:00Z":    "expires_before",
		"tag=":                                    "tag",
		"tag=a":                                   "tag",
		"tag==b":                                  "tag",
		"tag=a%ff=b":                              "tag",
		strings.Repeat("tag=a=b&", 17):            "17 tags",
		"sort=" + strings.Repeat("a", 9000):       "sort",
		"page_token=" + strings.Repeat("A", 2049): "page_token",
	} {
		if p := h.as(h.acme, "GET", keysPath+"?"+query, "").problem(api.CodeInvalidRequest); !strings.Contains(p.Detail, names) {
			t.Errorf("%s: %s", query, p.Detail)
		}
	}
	h.as(h.acme, "GET", keysPath+"?unused_since=9999-12-31T23:59:59Z&expires_before=1970-01-01T00:00:00Z", "").want(http.StatusOK)
}

func TestDeleteWantsRecentUseAcknowledged(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, secret := h.newKey(h.acme, "k")
	for range 3 {
		h.call("GET", "/v1/self", "", "X-API-Key", secret).want(http.StatusOK)
	}
	used := decodeAs[api.KeyEnvelope](h.as(h.acme, "GET", keysPath+"/k", "")).Key.LastUsedAt
	for _, query := range []string{"", "?acknowledge_recent_use=false"} {
		p := h.as(h.acme, "DELETE", keysPath+"/k"+query, "").problem(api.CodeKeyRecentlyUsed)
		if p.LastUsedAt == nil || !p.LastUsedAt.Equal(*used) || p.Calls24h != 3 || p.Fix == "" {
			t.Errorf("problem %+v, last used %v", p, used)
		}
	}
	for _, query := range []string{"yes", "", "1", "true&acknowledge_recent_use=true"} {
		p := h.as(h.acme, "DELETE", keysPath+"/k?acknowledge_recent_use="+query, "").problem(api.CodeInvalidRequest)
		if !strings.Contains(p.Detail, "acknowledge_recent_use") {
			t.Errorf("%q: %s", query, p.Detail)
		}
	}
	h.call("GET", "/v1/self", "", "X-API-Key", secret).want(http.StatusOK)
	h.as(h.acme, "DELETE", keysPath+"/k?acknowledge_recent_use=true", "").want(http.StatusNoContent)
	h.call("GET", "/v1/self", "", "X-API-Key", secret).problem(api.CodeUnauthenticated)
}

func TestReasonIsKept(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	key, secret := h.newKey(h.acme, "k")
	const disable = keysPath + "/k/disable"
	for body, detail := range map[string]string{
		`{"reason":null}`:             `the member "reason" can't be null`,
		`{"reason":1}`:                `the member "reason" must be a string`,
		`{"Reason":"a"}`:              `unknown member "Reason"`,
		`[]`:                          "must be a JSON object",
		`{"reason":"a\u001b[2J"}`:     "U+001B",
		`{"reason":"\ud800"}`:         "not valid JSON",
		`{"reason":"` + secret + `"}`: "holds a secret",
		`{"reason":"` + strings.Repeat("a", 257) + `"}`: "at most 256",
	} {
		p := h.as(h.acme, "POST", disable, body).problem(api.CodeInvalidRequest)
		if !strings.Contains(p.Detail, detail) {
			t.Errorf("%s: %s", body, p.Detail)
		}
	}
	h.as(h.acme, "POST", disable, `{"reason":"a"}`, "Content-Type", "text/plain").problem(api.CodeUnsupportedMedia)
	for _, body := range []string{`{"reason":"leaked"}`, `{}`, ``} {
		h.as(h.acme, "POST", disable, body).want(http.StatusOK)
	}
	h.as(h.acme, "POST", keysPath+"/k/enable", `{"reason":""}`).want(http.StatusOK)
	list := decodeAs[api.EventList](h.as(h.acme, "GET", "/v1/orgs/acme/events?key="+key.ID, "").want(http.StatusOK))
	if len(list.Events) != 3 || list.Events[1].Data["reason"] != "leaked" || len(list.Events[0].Data) != 0 {
		t.Errorf("events %+v", list.Events)
	}
	if strings.Contains(h.log.String(), secret[4:]) {
		t.Error("the log holds a secret")
	}
}

func TestUnavailableSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.server.Drain()
	a := h.call("GET", "/readyz", "")
	a.problem(api.CodeUnavailable)
	if got := a.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q", got)
	}
}
