package openid

import (
	"errors"
	"net/url"

	"github.com/keyfob/keyfob/pkg/api"
)

// maxCode bounds an authorization code in bytes. Providers' are of tens to 2000.
const maxCode = 8 << 10

// code takes the authorization code from the query that the browser came back with. Who sent it is settled before anything
// else in it is looked at: an error of another provider's is none of ours (RFC 9207 §2.4).
func (up *upstream) code(query url.Values) (string, error) {
	const fix = "sign in again from the start"
	for _, name := range []string{"iss", "code", "error"} {
		if len(query[name]) > 1 {
			return "", refuse(api.CodeInvalidRequest, fix, nil, "the answer of %s holds %s twice", up.name, name)
		}
	}
	switch iss := query.Get("iss"); {
	case query.Has("iss") && iss != up.Issuer:
		return "", refuse(api.CodeInvalidRequest, fix, errors.New("iss is "+shown(iss)), "the answer is not of %s", up.name)
	case !query.Has("iss") && up.SendsIssuer:
		return "", refuse(api.CodeInvalidRequest, fix, errors.New("iss is missing"), "the answer does not say that it is of %s", up.name)
	}
	if query.Has("error") {
		return "", up.denied(query.Get("error"), query.Get("error_description"))
	}
	switch code := query.Get("code"); {
	case code == "":
		return "", refuse(api.CodeInvalidRequest, fix, nil, "the answer of %s holds no code", up.name)
	case len(code) > maxCode:
		return "", refuse(api.CodeInvalidRequest, fix, nil, "the answer of %s holds a code of %d bytes", up.name, len(code))
	default:
		return code, nil
	}
}

// denied says that the provider signed nobody in. Its description is anybody's text: it goes to the log alone.
func (up *upstream) denied(name, description string) error {
	name = errorName(name)
	if name == "" {
		name = "an error without a proper name"
	}
	var cause error
	if description != "" {
		cause = errors.New("it says " + shown(description))
	}
	if name == "access_denied" {
		return refuse(api.CodeForbidden, "sign in again, and let this service see who you are", cause, "%s did not sign you in: access was denied", up.name)
	}
	return refuse(api.CodeForbidden, "sign in again; if that does not help, have the operator look at the service's log",
		cause, "%s did not sign you in: %s", up.name, name)
}
