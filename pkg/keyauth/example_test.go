package keyauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/keyfob/keyfob/pkg/keyauth"
	"github.com/keyfob/keyfob/pkg/secret"
)

// Example guards an API. The service here is one that knows every key as "ci" of the organisation "acme".
func Example() {
	keyfob := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Keyfob-Org", "acme")
		w.Header().Set("Keyfob-Key-Id", "key_0123456789abcdefghijklmnop")
		w.Header().Set("Keyfob-Key-Name", "ci")
		w.WriteHeader(http.StatusNoContent)
	}))
	defer keyfob.Close()

	guard, err := keyauth.New(keyauth.Config{URL: keyfob.URL, Org: "acme"})
	if err != nil {
		panic(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := keyauth.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s of %s", who.KeyName, who.Org)
	})
	handler := guard.Require(hello)

	for _, key := range []string{secret.New(secret.Key).Reveal(), "guessed"} {
		r := httptest.NewRequest(http.MethodGet, "/hello", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Content-Type"))
	}
	// Output:
	// 200 text/plain; charset=utf-8
	// 401 application/problem+json
}
