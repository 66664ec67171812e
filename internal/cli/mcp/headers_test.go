package mcp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
	"github.com/keyfob/keyfob/pkg/secret"
)

func TestArgv(t *testing.T) {
	t.Parallel()
	if got, want := HeadersArgv("/bin/keyfob", "key_1", "work", "acme"), []string{"/bin/keyfob", "mcp", "headers", "--key", "key_1", "--context", "work", "--org", "acme"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got, want := ProxyArgv("keyfob", "key_1", "", ""), []string{"keyfob", "mcp", "proxy", "--key", "key_1"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestHeadersOnOneLine(t *testing.T) {
	t.Parallel()
	s := secret.New(secret.Key)
	streams, _, out, errOut := cliutil.TestStreams()
	err := headersRun(t.Context(), &HeadersOptions{
		Secret: func(ctx context.Context) (secret.Secret, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("it may take for ever")
			}
			return s, nil
		},
		Out: &cliutil.Output{Format: cliutil.FormatYAML, Quiet: true, IO: streams},
	})
	if want := `{"Authorization":"Bearer ` + s.Reveal() + "\"}\n"; err != nil || out.String() != want || errOut.Len() > 0 {
		t.Errorf("%q, %q, %v", out, errOut, err)
	}
}

// TestServerAccess holds that the key goes to the MCP server that the service names, and to no other origin.
func TestServerAccess(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		says, wanted string
		url, err     string
	}{
		"as the service says": {"https://keys.example.com/mcp", "", "https://keys.example.com/mcp", ""},
		"another path":        {"https://keys.example.com/mcp", "https://KEYS.example.com/v2/mcp", "https://KEYS.example.com/v2/mcp", ""},
		"another host":        {"https://keys.example.com/mcp", "https://keys.example.org/mcp", "", "--url is not at https://keys.example.com"},
		"another port":        {"https://keys.example.com/mcp", "https://keys.example.com:8443/mcp", "", "--url is not at"},
		"without TLS":         {"https://keys.example.com/mcp", "http://keys.example.com/mcp", "", "--url is not at"},
		"a user":              {"https://keys.example.com/mcp", "https://x@keys.example.com/mcp", "", "--url is not at"},
		"no URL":              {"https://keys.example.com/mcp", "::", "", "--url is not at"},
		"the service is odd":  {"file:///etc/passwd", "", "", "does not say where its MCP server is"},
		"the service is old":  {"", "", "", "does not say where its MCP server is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			current := secret.New(secret.Key)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				key := api.Key{ID: "key_1", Name: "ci", Status: api.StatusEnabled}
				if r.URL.Path == "/v1/self" {
					_ = json.NewEncoder(w).Encode(api.Self{Key: key, MCP: api.MCPServer{Name: "acme", URL: tc.says}})
					return
				}
				_ = json.NewEncoder(w).Encode(api.KeyWithSecret{Key: key, Secret: current.Reveal()})
			}))
			t.Cleanup(server.Close)
			env := map[string]string{
				"HOME": t.TempDir(), "KEYFOB_URL": server.URL, "KEYFOB_ORG": "acme", "KEYFOB_TOKEN": secret.New(secret.Session).Reveal(),
			}
			streams, _, _, _ := cliutil.TestStreams()
			access, err := newKeyAccess(cliutil.NewFactory(streams, func(name string) string { return env[name] }), "key_1", "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := serverAccess(t.Context(), access, tc.wanted)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) || !got.Secret.IsZero() {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			if err != nil || got.URL != tc.url || got.Secret != current {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
