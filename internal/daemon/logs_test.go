package daemon

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// TestLogsHoldNoSecret sends secrets wherever a request has room for one, and looks for them in a log of everything.
func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := privateDir(t)
			r := start(t, dir, func(o *ServeOptions) { o.LogFormat, o.LogLevel = format, "debug" })
			session := bootstrap(t, dir).Session
			var made api.KeyWithSecret
			_, body := call(t, "POST", r.url+"/v1/orgs/acme/keys", session, `{"name":"k"}`)
			noError(t, json.Unmarshal([]byte(body), &made))
			requests := 1
			for _, secret := range []string{made.Secret, session, "kf_" + strings.Repeat("A", 38)} {
				for _, path := range []string{
					"/v1/authz", "/v1/self", "/mcp", "/v1/authz?org=" + secret, "/v1/self?api_key=" + secret, "/mcp?api_key=" + secret, "/" + secret,
					"/v1/orgs/" + secret + "/keys", "/v1/orgs/acme/keys/" + secret, "/setup/" + secret, "/device?code=" + secret,
					"/%2e%2e/" + secret, "//" + secret, "/v1/sessions/" + secret, "/oidc/callback?code=" + secret + "&state=" + secret,
				} {
					call(t, "GET", r.url+path, secret, "")
					call(t, "POST", r.url+path, session, `{"name":`+fmt.Sprintf("%q", secret)+`,"secret":`+fmt.Sprintf("%q", secret)+`}`)
					requests += 2
				}
				call(t, "POST", r.url+"/v1/keys/verify", session, `{"secret":"`+secret+`"}`)
				call(t, "POST", r.url+"/v1/orgs/acme/keys/lookup", session, `{"secret":"`+secret+`"`)
				requests += 2
				raw(t, r.url, "GET /"+secret+" HTTP/9.9\r\n\r\n")
				raw(t, r.url, "GET / HTTP/1.1\r\nHost: localhost\r\nBad Header "+secret+": x\r\n\r\n")
				raw(t, r.url, secret+"\r\n\r\n")
				raw(t, r.url, "GET /%zz"+secret+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
				raw(t, r.url, secret+" / HTTP/1.1\r\nHost: "+secret+"\r\nX-API-Key: "+secret+"\r\nCookie: a="+secret+"\r\nUser-Agent: "+secret+
					"\r\nOrigin: https://"+secret+"\r\nX-Request-Id: "+secret+"\r\nContent-Length: 5\r\n\r\nshort")
			}
			r.end()
			log := r.log.String()
			for _, secret := range []string{made.Secret[3:], session[4:], strings.Repeat("A", 38), url.QueryEscape(session)} {
				if strings.Contains(log, secret) {
					t.Errorf("the log holds %s", secret)
				}
			}
			lines := 0
			for line := range strings.Lines(log) {
				if strings.Contains(line, "request_id") {
					lines++
				}
				if format == "json" && !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %s", line)
				}
			}
			if lines < requests {
				t.Errorf("%d requests left %d lines", requests, lines)
			}
		})
	}
	r := start(t, privateDir(t), func(o *ServeOptions) { o.LogLevel = "error" })
	call(t, "GET", r.url+"/nothing", "", "")
	r.end()
	if r.log.String() != "" {
		t.Errorf("at level error it logs %s", r.log)
	}
}

// raw sends bytes as they are, and waits for whatever comes back.
func raw(t *testing.T, to, text string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(to, "http://"))
	noError(t, err)
	defer conn.Close()
	noError(t, conn.SetDeadline(time.Now().Add(wait)))
	_, err = io.WriteString(conn, text)
	noError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_ = res.Body.Close()
	}
}
