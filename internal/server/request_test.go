package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

func TestBodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	const (
		create, update = "POST /v1/orgs/acme/keys", "PATCH /v1/orgs/acme/keys/k"
		token          = "POST /v1/orgs/acme/tokens"
		invite, role   = "POST /v1/orgs/acme/members", "PATCH /v1/orgs/acme/members/x"
	)
	expires := `"expires_at":"` + h.clock.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`
	tests := map[string]struct{ operation, body, detail string }{
		"unknown member":       {create, `{"name":"a","role":"x"}`, `unknown member "role"`},
		"other case":           {create, `{"Name":"a"}`, `unknown member "Name"`},
		"Kelvin sign":          {create, `{"name":"a","to\u212aen":1}`, "unknown member \"to\u212aen\""},
		"given twice":          {create, `{"name":"a","name":"b"}`, `the member "name" is given twice`},
		"tag given twice":      {create, `{"name":"a","tags":{"x":"1","x":"2"}}`, `the member "x" is given twice`},
		"text after it":        {create, `{"name":"a"} {}`, `not valid JSON (byte 13)`},
		"cut off":              {create, `{"name":"a"`, `not valid JSON`},
		"byte order mark":      {create, "\ufeff" + `{"name":"a"}`, `not valid JSON (byte 0)`},
		"broken UTF-8":         {create, "{\"name\":\"a\xff\"}", `not valid JSON`},
		"lone surrogate":       {create, `{"name":"\ud800"}`, `not valid JSON`},
		"array":                {create, `[]`, `must be a JSON object`},
		"deep":                 {create, `{"name":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, `not valid JSON`},
		"spaces alone":         {create, ` `, `not valid JSON`},
		"nothing":              {create, ``, `the body is empty`},
		"no name":              {create, `{}`, `the member "name" is missing`},
		"name null":            {create, `{"name":null}`, `the member "name" can't be null`},
		"name a number":        {create, `{"name":1}`, `the member "name" must be a string`},
		"tags null":            {create, `{"name":"a","tags":null}`, `the member "tags" can't be null`},
		"tags an array":        {create, `{"name":"a","tags":[]}`, `the member "tags" must be an object of strings`},
		"tag a number":         {create, `{"name":"a","tags":{"x":1}}`, `the member "tags/x" must be a string`},
		"expiry no time":       {create, `{"name":"a","expires_at":"soon"}`, `the member "expires_at" must be a time such as 2030-01-31T12:00:00Z`},
		"expiry a number":      {create, `{"name":"a","expires_at":1}`, `the member "expires_at" must be a time`},
		"expiry a day":         {create, `{"name":"a","expires_at":"2030-01-31"}`, `the member "expires_at" must be a time`},
		"expiry the zero time": {create, `{"name":"a","expires_at":"0001-01-01T00:00:00Z"}`, `the member "expires_at" lies in the past`},
		"expiry in the past":   {create, `{"name":"a","expires_at":"2001-01-01T00:00:00Z"}`, `not in the future`},
		"name with control":    {create, `{"name":"a\u001b[2J"}`, `U+001B`},
		"name with bidi":       {create, `{"name":"a\u202eb"}`, `U+202E`},
		"nothing to change":    {update, `{}`, `changes nothing`},
		"name to null":         {update, `{"name":null}`, `the member "name" can't be null`},
		"tags to null":         {update, `{"tags":null}`, `the member "tags" can't be null`},
		"zero expiry":          {update, `{"expires_at":"0001-01-01T00:00:00Z"}`, `lies in the past`},
		"status":               {update, `{"status":"disabled"}`, `unknown member "status"`},

		"token, no name":              {token, `{"permissions":["keys:read"],` + expires + `}`, `the member "name" is missing`},
		"token, no permissions":       {token, `{"name":"ci",` + expires + `}`, `the member "permissions" is missing`},
		"token, permissions null":     {token, `{"name":"ci","permissions":null,` + expires + `}`, `the member "permissions" can't be null`},
		"token, a permission":         {token, `{"name":"ci","permissions":"keys:read",` + expires + `}`, `the member "permissions" must be an array of strings`},
		"token, a number among them":  {token, `{"name":"ci","permissions":["keys:read",1],` + expires + `}`, `the member "permissions/1" must be a string`},
		"token, null among them":      {token, `{"name":"ci","permissions":["keys:read",null],` + expires + `}`, `permission`},
		"token, none":                 {token, `{"name":"ci","permissions":[],` + expires + `}`, `permission`},
		"token, unknown permission":   {token, `{"name":"ci","permissions":["keys:*"],` + expires + `}`, `permission`},
		"token, no expiry":            {token, `{"name":"ci","permissions":["keys:read"]}`, `the member "expires_at" is missing`},
		"token, expiry null":          {token, `{"name":"ci","permissions":["keys:read"],"expires_at":null}`, `the member "expires_at" can't be null`},
		"token, zero expiry":          {token, `{"name":"ci","permissions":["keys:read"],"expires_at":"0001-01-01T00:00:00Z"}`, `expir`},
		"token, expired":              {token, `{"name":"ci","permissions":["keys:read"],"expires_at":"2001-01-01T00:00:00Z"}`, `expir`},
		"token, for ever":             {token, `{"name":"ci","permissions":["keys:read"],"expires_at":"9999-12-31T23:59:59Z"}`, `366 days`},
		"token, name empty":           {token, `{"name":"","permissions":["keys:read"],` + expires + `}`, `name`},
		"token, name with control":    {token, `{"name":"a\u0000b","permissions":["keys:read"],` + expires + `}`, `U+0000`},
		"token, unknown member":       {token, `{"name":"ci","permissions":["keys:read"],"org":"globex",` + expires + `}`, `unknown member "org"`},
		"member, no address":          {invite, `{"role":"viewer"}`, `the member "email" is missing`},
		"member, address null":        {invite, `{"email":null,"role":"viewer"}`, `the member "email" can't be null`},
		"member, no role":             {invite, `{"email":"a@example.com"}`, `the member "role" is missing`},
		"member, unknown role":        {invite, `{"email":"a@example.com","role":"Owner"}`, `role`},
		"member, role a number":       {invite, `{"email":"a@example.com","role":1}`, `the member "role" must be a string`},
		"member, no address at all":   {invite, `{"email":"","role":"viewer"}`, `address`},
		"member, no @":                {invite, `{"email":"a.example.com","role":"viewer"}`, `@`},
		"member, two @":               {invite, `{"email":"a@b@example.com","role":"viewer"}`, `@`},
		"member, address with space":  {invite, `{"email":"a b@example.com","role":"viewer"}`, `address`},
		"member, address with NUL":    {invite, `{"email":"a\u0000@example.com","role":"viewer"}`, `U+0000`},
		"member, address with a line": {invite, `{"email":"a@example.com\nBcc: b@example.com","role":"viewer"}`, `e-mail address`},
		"member, invisible address":   {invite, `{"email":"a\u200b@example.com","role":"viewer"}`, `U+200B`},
		"member, long address":        {invite, `{"email":"` + strings.Repeat("a", 243) + `@example.com","role":"viewer"}`, `254`},
		"role, left out":              {role, `{}`, `the member "role" is missing`},
		"role, null":                  {role, `{"role":null}`, `the member "role" can't be null`},
		"role, unknown":               {role, `{"role":"root"}`, `role`},
		"role and more":               {role, `{"role":"viewer","email":"b@example.com"}`, `unknown member "email"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			method, path, _ := strings.Cut(tt.operation, " ")
			p := h.as(h.acme, method, path, tt.body, "Content-Type", "application/json").problem(api.CodeInvalidRequest)
			if !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("detail %q, want %q", p.Detail, tt.detail)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.newKey(h.acme, "k")
	const body = `{"tags":{"a":"b"}}`
	for media, ok := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JSON": true, "application/merge-patch+json": true,
		"": false, "text/plain": false, "application/x-www-form-urlencoded": false, "application/json-patch+json": false, ";": false,
	} {
		a := h.as(h.acme, "PATCH", "/v1/orgs/acme/keys/k", body, "Content-Type", media)
		if ok {
			a.want(http.StatusOK)
		} else {
			a.problem(api.CodeUnsupportedMedia)
		}
	}
	h.as(h.acme, "POST", "/v1/orgs/acme/keys", `{"name":"a"}`, "Content-Type", "application/merge-patch+json").
		problem(api.CodeUnsupportedMedia)
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		values   []string
		revision int64
		invalid  bool
	}{
		"absent":        {nil, 0, false},
		"any":           {[]string{"*"}, 0, false},
		"ours":          {[]string{`"3"`}, 3, false},
		"another's":     {[]string{`"abc"`}, -1, false},
		"zero":          {[]string{`"0"`}, -1, false},
		"negative":      {[]string{`"-3"`}, -1, false},
		"too large":     {[]string{`"9223372036854775808"`}, -1, false},
		"no quotes":     {[]string{`3`}, 0, true},
		"weak":          {[]string{`W/"3"`}, 0, true},
		"empty":         {[]string{``}, 0, true},
		"empty tag":     {[]string{`""`}, 0, true},
		"half a tag":    {[]string{`"`}, 0, true},
		"list":          {[]string{`"3", "4"`}, 0, true},
		"repeated":      {[]string{`"3"`, `"3"`}, 0, true},
		"any and other": {[]string{`*`, `"3"`}, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodDelete, "/", nil)
			r.Header["If-Match"] = tt.values
			revision, err := ifMatch(r)
			if revision != tt.revision || (err != nil) != tt.invalid {
				t.Errorf("%d, %v", revision, err)
			}
		})
	}
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query string
		want  core.ListKeys
		names string // the parameter that the error names
	}{
		{"", core.ListKeys{}, ""},
		{"limit=1&status=disabled&page_token=abc", core.ListKeys{Limit: 1, Token: "abc", Status: api.StatusDisabled}, ""},
		{"limit=1000&api_key=x&color=red", core.ListKeys{Limit: 1000}, ""},
		{"limit=0", core.ListKeys{}, "limit"},
		{"limit=-1", core.ListKeys{}, "limit"},
		{"limit=1001", core.ListKeys{}, "limit"},
		{"limit=", core.ListKeys{}, "limit"},
		{"limit=1e3", core.ListKeys{}, "limit"},
		{"limit=99999999999999999999", core.ListKeys{}, "limit"},
		{"limit=1&limit=2", core.ListKeys{}, "limit"},
		{"status=", core.ListKeys{}, "status"},
		{"status=Enabled", core.ListKeys{}, "status"},
		{"status=enabled&status=disabled", core.ListKeys{}, "status"},
		{"page_token=" + strings.Repeat("a", 2049), core.ListKeys{}, "page_token"},
		{"limit=%zz", core.ListKeys{}, "query"},
		{"a;b", core.ListKeys{}, "query"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, "/?"+tt.query, nil)
		got, err := listQuery(r)
		if tt.names == "" && (err != nil || !reflect.DeepEqual(got, tt.want)) {
			t.Errorf("%s: %+v, %v", tt.query, got, err)
		}
		if tt.names != "" && (err == nil || !strings.Contains(fmt.Sprint(err), tt.names)) {
			t.Errorf("%s: error %v does not name %s", tt.query, err, tt.names)
		}
	}
}
