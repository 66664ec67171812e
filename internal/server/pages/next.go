package pages

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	devicePath = "/device"
	signInPath = "/sign-in"
	codeLen    = 8
)

// nextPage is where a sign-in goes on to: /device, with the code that raw has in its query. The page is made anew and not
// a character of raw but the code's letters gets into it, so that no link leads from our sign-in to another site.
func nextPage(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Path != devicePath {
		return devicePath
	}
	return deviceWith(u.Query().Get("code"))
}

// deviceWith is the page that asks about the code, or for one if this can't be a code.
func deviceWith(code string) string {
	letters := lettersOf(code)
	if len(letters) != codeLen {
		return devicePath
	}
	return devicePath + "?code=" + letters[:codeLen/2] + "-" + letters[codeLen/2:]
}

// lettersOf is the code in one form, to tell two codes apart: its letters, upper case. Whether it is one is core's to say.
func lettersOf(code string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z':
			return c
		default:
			return -1
		}
	}, code)
}

// signInFor is the sign-in page that goes on to a page.
func signInFor(next string) string {
	return signInPath + "?" + url.Values{"next": {next}}.Encode()
}

// seeOther sends the browser on with a GET, so that no reload sends a form again. to must be a page of ours, or the
// provider's.
func seeOther(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // G710: every caller's page comes from nextPage or is the provider's
	return nil
}
