package daemon

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// parsed runs the command line up to where the service would start.
func parsed(t *testing.T, env map[string]string, args ...string) (*ServeOptions, error) {
	t.Helper()
	facts := map[string]string{"HOME": t.TempDir()}
	maps.Copy(facts, env)
	f := cliutil.SystemFactory()
	f.Env, f.GOOS = func(name string) string { return facts[name] }, "linux"
	var got *ServeOptions
	cmd := newCmdServe(f, func(_ context.Context, o *ServeOptions) error {
		got = o
		return nil
	})
	cliutil.Root(f, cmd, "output")
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	if err == nil {
		_, err = got.check()
	}
	return got, err
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyfobd.yaml")
	noError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	path := configFile(t, "listen: 127.0.0.1:3\nmcp_name: file\noidc_issuer: https://file.example\noidc_client_id: x\ninsecure_http: true\n"+
		"oidc_join:\n- a.example=acme:member\n- b.example=acme:viewer\ntrusted_proxies: 10.0.0.0/8, 192.0.2.1\n")
	env := map[string]string{"KEYFOBD_LISTEN": "127.0.0.1:2", "KEYFOBD_MCP_NAME": "env", "KEYFOBD_CONFIG": path, "KEYFOBD_SETUP_LINK": "false", "KEYFOBD_LOG_LEVEL": ""}
	o, err := parsed(t, env, "--listen", "127.0.0.1:1")
	noError(t, err)
	if o.Listen != "127.0.0.1:1" || o.MCPName != "env" || o.SignIn.Issuer != "https://file.example" || !o.InsecureHTTP || o.SetupLink || o.LogLevel != "info" {
		t.Errorf("%+v", o)
	}
	if want := []string{"a.example=acme:member", "b.example=acme:viewer"}; !slices.Equal(o.SignIn.Joins, want) {
		t.Errorf("joins %q", o.SignIn.Joins)
	}
	if want := []string{"10.0.0.0/8", "192.0.2.1"}; !slices.Equal(o.TrustedProxies, want) {
		t.Errorf("proxies %q", o.TrustedProxies)
	}
	for name, want := range map[string]string{
		"listen": "flag --listen", "mcp-name": "environment KEYFOBD_MCP_NAME", "oidc-issuer": "file " + path + ":3",
		"setup-link": "environment KEYFOBD_SETUP_LINK", "log-level": "default", "oidc-join": "file " + path + ":6",
	} {
		if got := o.Origins[name]; got != want {
			t.Errorf("%s comes from %q, want %q", name, got, want)
		}
	}
	o, err = parsed(t, env, "--oidc-join", "c.example=acme:admin", "--oidc-join", "d.example=acme:admin")
	noError(t, err)
	if len(o.SignIn.Joins) != 2 || o.SignIn.Joins[1] != "d.example=acme:admin" {
		t.Errorf("a flag adds to the file: %q", o.SignIn.Joins)
	}
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file string
		env  map[string]string
		want []string
	}{
		"unknown":         {file: "\nlisen: x\n", want: []string{":2", `"lisen"`, "a file may set: listen, "}},
		"dashes":          {file: "mcp-name: x\n", want: []string{`"mcp-name"`, "write it as mcp_name"}},
		"twice":           {file: "listen: 127.0.0.1:1\nmcp_name: x\nlisten: 127.0.0.1:2\n", want: []string{":3", "listen again", "line 1"}},
		"number":          {file: "mcp_name: 7\n", want: []string{":1", "mcp_name", "quotes"}},
		"text as boolean": {file: "insecure_http: \"true\"\n", want: []string{":1", "insecure_http", "true or false"}},
		"no value":        {file: "listen:\n", want: []string{":1", "listen"}},
		"mapping":         {file: "listen: {a: b}\n", want: []string{":1", "listen"}},
		"list of numbers": {file: "oidc_join: [1]\n", want: []string{":1", "oidc_join", "list of texts"}},
		"list as text":    {file: "listen: [a]\n", want: []string{":1", "listen"}},
		"alias":           {file: "listen: &a 127.0.0.1:1\nmcp_name: *a\n", want: []string{":2", "mcp_name"}},
		"a list":          {file: "- listen\n", want: []string{"options by name"}},
		"no YAML":         {file: "listen: 'x\n", want: []string{"is no YAML"}},
		"a tab":           {file: "mcp_name: a\n\tlisten: x\n", want: []string{"keyfobd.yaml:2 begins with a tab"}},
		"two documents":   {file: "listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:1\n", want: []string{"more than one document"}},
		"flag only":       {file: "exit_with_parent: true\n", want: []string{"can't set", "--exit-with-parent"}},
		"bad value":       {file: "# c\nlisten: nonsense\n", want: []string{"keyfobd.yaml:2, listen", "host:port"}},
		"bad word":        {file: "log_level: loud\n", want: []string{":1, log_level", "debug, info, warn, error"}},
		"bad env":         {env: map[string]string{"KEYFOBD_LISTEN": "x"}, want: []string{"KEYFOBD_LISTEN", "host:port"}},
		"bad boolean":     {env: map[string]string{"KEYFOBD_INSECURE_HTTP": "yes"}, want: []string{"KEYFOBD_INSECURE_HTTP", "true or false"}},
		"bad join":        {env: map[string]string{"KEYFOBD_OIDC_JOIN": "a=b"}, want: []string{"KEYFOBD_OIDC_JOIN", "DOMAIN=ORG:ROLE"}},
		"host bits":       {env: map[string]string{"KEYFOBD_TRUSTED_PROXIES": "10.0.0.1/8"}, want: []string{"KEYFOBD_TRUSTED_PROXIES", "10.0.0.0/8"}},
		"everybody":       {env: map[string]string{"KEYFOBD_TRUSTED_PROXIES": "0.0.0.0/0"}, want: []string{"everybody"}},
		"a password":      {env: map[string]string{"KEYFOBD_PUBLIC_URL": "https://u:hunter2@x.example"}, want: []string{"KEYFOBD_PUBLIC_URL"}},
		"half a pair":     {env: map[string]string{"KEYFOBD_TLS_CERT": "x"}, want: []string{"--tls-key"}},
		"missing file":    {env: map[string]string{"KEYFOBD_CONFIG": "/nowhere/x.yaml"}, want: []string{"/nowhere/x.yaml", "no such file", "--config"}},
		"a folder":        {env: map[string]string{"KEYFOBD_CONFIG": "/"}, want: []string{"no regular file"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			if tt.file != "" {
				args = []string{"--config", configFile(t, tt.file)}
			}
			_, err := parsed(t, tt.env, args...)
			text := cliutil.Describe(err)
			if err == nil || text.Exit != cliutil.ExitUsage {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(text.Message+" "+text.Hint, want) {
					t.Errorf("%q, %q lack %q", text.Message, text.Hint, want)
				}
			}
			if strings.Contains(text.Message+text.Hint, "hunter2") {
				t.Error("it holds the password")
			}
		})
	}
	_, err := parsed(t, nil, "--config", "")
	if text := cliutil.Describe(err); err == nil || text.Exit != cliutil.ExitUsage || text.Message != "--config names no file" {
		t.Errorf("an empty --config: %v", err)
	}
	for _, file := range []string{"", "# nothing\n", "---\n", "listen: 127.0.0.1:1\n...\n"} {
		if _, err := parsed(t, nil, "--config", configFile(t, file)); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// TestPrintConfig holds that what is printed is a config file with the same options, whatever they hold.
func TestPrintConfig(t *testing.T) {
	t.Parallel()
	printed := func(o *ServeOptions, asJSON bool) string {
		var out strings.Builder
		o.Out, o.JSON, o.PrintConfig = &out, asJSON, true
		noError(t, serveRun(t.Context(), o))
		return out.String()
	}
	dir := filepath.Join(t.TempDir(), "new")
	first, err := parsed(t, map[string]string{"KEYFOBD_DATA_DIR": dir}, "--listen", "127.0.0.1:1", "--mcp-name", "7", "--trusted-proxies", "10.0.0.0/8,::1",
		"--oidc-issuer", "https://x.example", "--oidc-client-id", "true", "--oidc-client-secret-file", "/a # b:\n 'c'\"", "--setup-link=false")
	noError(t, err)
	text := printed(first, false)
	for _, want := range []string{"listen: 127.0.0.1:1 # flag --listen\n", "data_dir: " + dir + " # environment KEYFOBD_DATA_DIR\n", "log_level: info # default\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	second, err := parsed(t, nil, "--config", configFile(t, text))
	noError(t, err)
	for i, s := range settings(second) {
		was, _ := settings(first)[i].value()
		is, _ := s.value()
		if a, b := mustJSON(t, was), mustJSON(t, is); a != b && !s.flagOnly {
			t.Errorf("%s was %s, is %s:\n%s", s.name, a, b, text)
		}
	}
	var doc struct {
		Config map[string]struct {
			Value  any
			Origin string
		}
	}
	noError(t, json.Unmarshal([]byte(printed(first, true)), &doc))
	if got := doc.Config["mcp_name"]; got.Value != "7" || got.Origin != "flag --mcp-name" || len(doc.Config) != len(settings(first))-3 {
		t.Errorf("as JSON: %+v", doc)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("printing made the data directory")
	}
	first.Listen = "nonsense"
	if err := serveRun(t.Context(), first); err == nil {
		t.Error("it prints what would not start")
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	doc, err := json.Marshal(v)
	noError(t, err)
	return string(doc)
}
