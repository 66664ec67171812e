package acceptance

import (
	"encoding/json"
	"maps"
	"os"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyfob/keyfob/test/oidc/issuer"
)

// cmdIssuer starts an issuer that gives tokens to whoever asks it as a GitHub runner is asked, and sets ISSUER, REQUEST and BEARER
// to what a job finds in its environment. What its tokens say is the claims of a file: issuer FILE. Again, with another file, it
// changes what the next tokens say.
func cmdIssuer(ts *testscript.TestScript, _ bool, args []string) {
	i := issuerOf(ts)
	i.Job(claimsOf(ts, i, args[0]))
	ts.Setenv("ISSUER", i.URL)
	ts.Setenv("REQUEST", i.URL+issuer.Request+"?api-version=2.0")
	ts.Setenv("BEARER", issuer.Bearer)
}

// cmdJobToken signs a token for an audience with the claims of a file, and writes it to another: jobtoken AUDIENCE CLAIMS FILE.
func cmdJobToken(ts *testscript.TestScript, _ bool, args []string) {
	i := issuerOf(ts)
	claims := i.Claims(args[0])
	maps.Copy(claims, claimsOf(ts, i, args[1]))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(i.Sign(claims)+"\n"), 0o600))
}

func claimsOf(ts *testscript.TestScript, i *issuer.Issuer, file string) map[string]any {
	var claims map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &claims))
	all := i.GitHub("")
	for _, name := range []string{"iss", "aud", "jti", "iat", "nbf", "exp"} {
		delete(all, name)
	}
	maps.Copy(all, claims)
	return all
}

func issuerOf(ts *testscript.TestScript) *issuer.Issuer {
	h := ts.Value(quickstartKey{}).(*held)
	if h.issuer == nil {
		h.issuer = issuer.Start()
		ts.Defer(h.issuer.Close)
	}
	return h.issuer
}
