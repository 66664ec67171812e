package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

const devicePoll = "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=keyfob&device_code="

// form posts a form, as a client of RFC 8628 does.
func (h *harness) form(path, body string, header ...string) answer {
	h.t.Helper()
	return h.call("POST", path, body, append(header, "Content-Type", mediaForm)...)
}

func (h *harness) startDevice(body string, header ...string) api.DeviceCode {
	h.t.Helper()
	return decodeAs[api.DeviceCode](h.form("/v1/device/code", body, header...).want(http.StatusOK))
}

// oauth asserts that the answer is the failure of RFC 6749 §5.2 with this code.
func (a answer) oauth(code api.OAuthCode) string {
	a.t.Helper()
	status, later := http.StatusBadRequest, ""
	if code == api.OAuthUnavailable {
		status, later = http.StatusTooManyRequests, a.header.Get("Retry-After")
		if seconds, err := strconv.Atoi(later); err != nil || seconds < 1 {
			a.t.Errorf("Retry-After %q", later)
		}
	}
	a.want(status)
	got := decodeAs[api.OAuthError](a)
	if got.Code != code || !regexp.MustCompile(`^[\x20\x21\x23-\x5B\x5D-\x7E]+$`).MatchString(got.Description) {
		a.t.Fatalf("%+v, want %s", got, code)
	}
	want := map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "WWW-Authenticate": "", "Set-Cookie": "", "Retry-After": later,
	}
	for name, value := range want {
		if got := a.header.Get(name); got != value {
			a.t.Errorf("%s %q, want %q", name, got, value)
		}
	}
	return got.Description
}

// decide lets the user decide on the page.
func (h *harness) decide(who tenant, userCode string, approve bool) {
	h.t.Helper()
	p, err := h.core.Authenticate(h.t.Context(), h.signIn(who.user, api.SessionBrowser))
	noError(h.t, err)
	noError(h.t, h.core.DecideDevice(h.t.Context(), p, userCode, approve))
}

func TestDeviceGrant(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	start := h.startDevice("client_id=keyfob&host_name=box.example.com&scope=x&scope=y&client_secret=z")
	page := "https://keys.example.com/device"
	want := api.DeviceCode{
		DeviceCode: start.DeviceCode, UserCode: start.UserCode, VerificationURI: page,
		VerificationURIComplete: page + "?code=" + start.UserCode, ExpiresIn: 600, Interval: 2,
	}
	if diff := cmp.Diff(want, start); diff != "" || start.DeviceCode == "" {
		t.Error(diff)
	}
	poll := func() answer { return h.form("/v1/device/token", devicePoll+start.DeviceCode) }
	later := func() { h.clock.add(time.Minute) }
	poll().oauth(api.OAuthPending)
	later()
	poll().oauth(api.OAuthPending)
	poll().oauth(api.OAuthSlowDown)
	later()
	h.decide(h.acme, start.UserCode, true)
	a := poll().want(http.StatusOK)
	got := decodeAs[api.AccessToken](a)
	if got != (api.AccessToken{AccessToken: got.AccessToken, TokenType: "Bearer", ExpiresIn: 30 * 24 * 3600}) {
		t.Errorf("%s", a.body)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
		t.Errorf("%v", a.header)
	}
	later()
	if again := decodeAs[api.AccessToken](poll().want(http.StatusOK)); again != got { // the first answer may have been lost
		t.Error("asked again, it gives another session")
	}

	signedIn := tenant{org: h.acme.org, user: h.acme.user, token: got.AccessToken}
	info := decodeAs[api.SessionInfo](h.as(signedIn, "GET", "/v1/session", "").want(http.StatusOK))
	if s := info.Session; s.Kind != api.SessionCLI || s.Name != "keyfob" || s.Host != "box.example.com" || info.User.ID != h.acme.user.ID {
		t.Errorf("%+v", info)
	}
	poll().oauth(api.OAuthExpired) // whoever finds the code now is too late
	for _, secret := range []string{start.DeviceCode, start.UserCode, got.AccessToken[4:]} {
		if strings.Contains(h.log.String(), secret) {
			t.Error("the log holds a code or a token")
		}
	}
}

func TestDeviceGrantsThatEndOtherwise(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	denied, late := h.startDevice("client_id=keyfob"), h.startDevice("client_id=keyfob")
	h.decide(h.acme, denied.UserCode, false)
	h.form("/v1/device/token", devicePoll+denied.DeviceCode).oauth(api.OAuthDenied)
	h.clock.add(11 * time.Minute)
	h.form("/v1/device/token", devicePoll+late.DeviceCode).oauth(api.OAuthExpired)
	unknown := h.startDevice("client_id=keyfob").DeviceCode
	h.form("/v1/device/token", devicePoll+flip(unknown)).oauth(api.OAuthExpired)
}

func TestTooManyDeviceGrantsOfOneAddress(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	start := h.startDevice("client_id=keyfob", "X-Forwarded-For", "203.0.113.1", "Forwarded", "for=203.0.113.1")
	p, err := h.core.Authenticate(t.Context(), h.acme.token)
	noError(t, err)
	grant, err := h.core.Device(t.Context(), p, start.UserCode)
	if err != nil || grant.Address != "127.0.0.1" {
		t.Errorf("asked from %q, %v", grant.Address, err)
	}
	for i := range 19 {
		forged := "203.0.113." + strconv.Itoa(i)
		h.startDevice("client_id=keyfob", "X-Forwarded-For", forged, "X-Real-IP", forged)
	}
	h.form("/v1/device/code", "client_id=keyfob", "X-Forwarded-For", "203.0.113.99").oauth(api.OAuthUnavailable)

	other := httptest.NewRequest(http.MethodPost, "http://localhost/v1/device/code", strings.NewReader("client_id=keyfob"))
	other.Header.Set("Content-Type", mediaForm)
	other.RemoteAddr = "[2001:db8::1%eth0]:443"
	rec := httptest.NewRecorder()
	h.server.ServeHTTP(rec, other)
	if rec.Code != http.StatusOK {
		t.Errorf("another address: %d %s", rec.Code, rec.Body)
	}
}

func TestBadDeviceRequests(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const (
		code, token = "/v1/device/code", "/v1/device/token"
		grant       = "grant_type=urn:ietf:params:oauth:grant-type:device_code"
		invalid     = api.OAuthInvalid
	)
	tests := map[string]struct {
		path, body, media string
		code              api.OAuthCode
		says              string
	}{
		"nothing":                {code, "", mediaForm, invalid, "client_id is missing"},
		"no client":              {code, "host_name=box", mediaForm, invalid, "client_id is missing"},
		"client empty":           {code, "client_id=", mediaForm, invalid, "client_id is missing"},
		"two clients":            {code, "client_id=a&client_id=b", mediaForm, invalid, "client_id is given more than once"},
		"client and none":        {code, "client_id=a&client_id", mediaForm, invalid, "client_id is given more than once"},
		"NUL in the client":      {code, "client_id=a%00b", mediaForm, invalid, "client_id holds a control character"},
		"newline in the client":  {code, "client_id=a%0Ab", mediaForm, invalid, "client_id holds a control character"},
		"escape in the client":   {code, "client_id=%1b%5B2J", mediaForm, invalid, "client_id holds a control character"},
		"client in another case": {code, "Client_ID=keyfob", mediaForm, invalid, "client_id is missing"},
		"client not ASCII":       {code, "client_id=cl%C3%A9", mediaForm, invalid, "client_id must be printable ASCII"},
		"long client":            {code, "client_id=" + strings.Repeat("a", 65), mediaForm, invalid, "client_id is longer than 64"},
		"long host":              {code, "client_id=a&host_name=" + strings.Repeat("a", 65), mediaForm, invalid, "host_name is longer than 64"},
		"two hosts":              {code, "client_id=a&host_name=a&host_name=a", mediaForm, invalid, "host_name is given more than once"},
		"NUL in the host":        {code, "client_id=a&host_name=a%00", mediaForm, invalid, "host_name holds a control character"},
		"CSI in the host":        {code, "client_id=a&host_name=%C2%9B2J", mediaForm, invalid, "host_name holds a control character"},
		"broken UTF-8":           {code, "client_id=a&host_name=%ff", mediaForm, invalid, "host_name is not UTF-8"},
		"broken escape":          {code, "client_id=%zz", mediaForm, invalid, "not a form"},
		"semicolon":              {code, "client_id=a;host_name=b", mediaForm, invalid, "not a form"},
		"many parameters":        {code, "client_id=a" + strings.Repeat("&", 60_000), mediaForm, invalid, "not a form"},
		"JSON":                   {code, `{"client_id":"a"}`, mediaJSON, invalid, "x-www-form-urlencoded"},
		"JSON called a form":     {code, `{"client_id":"a"}`, mediaForm, invalid, "client_id is missing"},
		"form called nothing":    {code, "client_id=a", "", invalid, "x-www-form-urlencoded"},
		"multipart":              {code, "client_id=a", "multipart/form-data; boundary=x", invalid, "x-www-form-urlencoded"},
		"client in the query":    {code + "?client_id=a", "", mediaForm, invalid, "client_id is missing"},

		"poll with nothing":       {token, "", mediaForm, invalid, "grant_type is missing"},
		"no grant_type":           {token, "device_code=x", mediaForm, invalid, "grant_type is missing"},
		"grant_type empty":        {token, "grant_type=&device_code=x", mediaForm, invalid, "grant_type is missing"},
		"two grant_types":         {token, grant + "&" + grant + "&device_code=x", mediaForm, invalid, "grant_type is given more than once"},
		"password":                {token, "grant_type=password&device_code=x", mediaForm, api.OAuthUnsupported, "device_code"},
		"refresh":                 {token, "grant_type=refresh_token&refresh_token=x", mediaForm, api.OAuthUnsupported, "device_code"},
		"grant_type upper case":   {token, strings.ToUpper(grant) + "&device_code=x", mediaForm, invalid, "grant_type is missing"},
		"other grant, two codes":  {token, "grant_type=a&device_code=x&device_code=y", mediaForm, invalid, "device_code is given more than once"},
		"no code":                 {token, grant, mediaForm, invalid, "device_code is missing"},
		"code empty":              {token, grant + "&device_code=", mediaForm, invalid, "device_code is missing"},
		"two codes":               {token, grant + "&device_code=x&device_code=x", mediaForm, invalid, "device_code is given more than once"},
		"long code":               {token, grant + "&device_code=" + strings.Repeat("a", 257), mediaForm, invalid, "device_code is longer than 256"},
		"NUL in the code":         {token, grant + "&device_code=a%00", mediaForm, invalid, "device_code holds a control character"},
		"code unknown":            {token, grant + "&device_code=x", mediaForm, api.OAuthExpired, "device code"},
		"code not ASCII":          {token, grant + "&device_code=%C3%A9", mediaForm, api.OAuthExpired, "device code"},
		"code in quotes":          {token, grant + "&device_code=%22%5C", mediaForm, api.OAuthExpired, "device code"},
		"two clients poll":        {token, grant + "&device_code=x&client_id=a&client_id=a", mediaForm, invalid, "client_id is given more than once"},
		"poll in JSON":            {token, `{"device_code":"x"}`, mediaJSON, invalid, "x-www-form-urlencoded"},
		"code in the query":       {token + "?device_code=x", grant, mediaForm, invalid, "device_code is missing"},
		"unknown parameter twice": {token, grant + "&device_code=x&resource=a&resource=b", mediaForm, api.OAuthExpired, "device code"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := h.on(t)
			got := h.call("POST", tt.path, tt.body, "Content-Type", tt.media).oauth(tt.code)
			if !strings.Contains(got, tt.says) {
				t.Errorf("%q does not say %q", got, tt.says)
			}
		})
	}
}

func TestDeviceRequestsAreGuardedAsAllAre(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, path := range []string{"/v1/device/code", "/v1/device/token"} {
		h.form(path, "client_id="+strings.Repeat("a", 1<<20)).problem(api.CodeBodyTooLarge)
		h.form(path, "client_id=keyfob", "Origin", "https://evil.example").problem(api.CodeOriginNotAllowed)
		h.form(path, "client_id=keyfob", "Host", "evil.example").problem(api.CodeHostNotAllowed)
		h.call("GET", path, "").problem(api.CodeMethodNotAllowed)
	}
	h.call("POST", "/v1/device/code", "client_id=keyfob", "Content-Type", "Application/X-WWW-Form-URLencoded; charset=utf-8").want(http.StatusOK)
	name := url.QueryEscape(strings.Repeat("é", 64))
	h.form("/v1/device/code", "client_id="+strings.Repeat("~", 64)+"&host_name="+name).want(http.StatusOK)
}

func TestDescriptionsOfOAuth(t *testing.T) {
	t.Parallel()
	if got, want := descriptive("a \"b\" \\ é\n…"), "a 'b' ' ???"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for wait, want := range map[time.Duration]string{
		0: "1", -time.Second: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", 15 * time.Minute: "900",
	} {
		if got := retryAfter(&core.Error{RetryAfter: wait}); got != want {
			t.Errorf("%s: Retry-After %s, want %s", wait, got, want)
		}
	}
}
