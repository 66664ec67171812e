package server

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

const documentPath = "../../pkg/api/openapi.yaml"

// checked holds every answer to the OpenAPI document and to the rules for all of them.
type checked struct {
	t        *testing.T
	base     http.RoundTripper
	document validator.Validator
}

func (c *checked) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
			c.t.Errorf("%s %s: %s is %q", req.Method, req.URL.Path, name, got)
		}
	}
	if documented(req) {
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if ok, errs := c.document.ValidateHttpResponse(req, resp); !ok {
			c.t.Errorf("%s %s answered %d against the document: %v\n%s", req.Method, req.URL.Path, resp.StatusCode, errs, body)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// documented says that the document has the operation; the table is compared with it elsewhere.
func documented(req *http.Request) bool {
	mux := http.NewServeMux()
	for _, r := range (&Server{}).routes() {
		mux.Handle(r.method+" "+r.pattern, http.NotFoundHandler())
	}
	_, pattern := mux.Handler(req)
	escaped := req.URL.EscapedPath() // the validator does not tell a/b from a%2Fb, nor does it know redirects
	return pattern != "" && req.Method != http.MethodHead && !strings.Contains(escaped, "%2F") && path.Clean(escaped) == escaped
}

func loadDocument(t *testing.T) validator.Validator {
	t.Helper()
	text, err := os.ReadFile(documentPath)
	noError(t, err)
	doc, err := libopenapi.NewDocument(text)
	noError(t, err)
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	t.Cleanup(v.Release)
	return v
}
