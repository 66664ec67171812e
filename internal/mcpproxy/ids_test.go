package mcpproxy

import (
	"net/http"
	"testing"
)

// TestIDs holds that each request gets its own answer, whatever form its id has.
func TestIDs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`1`: "n1", `1.0`: "n1", `-7`: "n-7", `1e2`: "n100", `9007199254740993`: "n9007199254740993", `"1"`: "s1", `"\u00e9"`: "sé", `""`: "s", `null`: "", ``: "",
	} {
		raw := []byte(in)
		if in == "" {
			raw = nil
		}
		if got, ok := canonical(raw); got != want || !ok {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{`{}`, `[]`, `true`, `x`} {
		if got, ok := canonical([]byte(in)); ok {
			t.Errorf("%s: %q", in, got)
		}
	}
	g := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	b := start(t, g.access)
	b.send(`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `{"jsonrpc":"2.0","id":1.0,"method":"ping"}`)
	if r := b.next(); r.ID != nil || r.Error == nil || r.Error.Code != codeInvalid {
		t.Errorf("an id that is taken: %s", r.line)
	}
	b.stop()
	if err := b.wait(); err != nil {
		t.Error(err)
	}
}
