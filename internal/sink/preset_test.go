package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// vendorProgram builds what stands for the vendors' programs.
func vendorProgram(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the vendors' programs are links to one")
	}
	program := filepath.Join(t.TempDir(), "vendorcli")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../test/vendorcli").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// recorded is a call that was noted.
type recorded struct {
	Argv    []string `json:"argv"`
	Stdin   string   `json:"stdin"`
	Environ []string `json:"environ"`
}

func calls(t *testing.T, dir string) []recorded {
	t.Helper()
	var out []recorded
	for line := range strings.Lines(content(t, filepath.Join(dir, "calls.jsonl"))) {
		var c recorded
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// vendorCase is a place, what is called to write and to read it, and what is on stdin; @ is the secret.
type vendorCase struct{ spec, put, stdin, get string }

func vendorCases() []vendorCase {
	const op = `{"category":"API_CREDENTIAL","fields":[{"id":"username","value":"u"},{"id":"credential","label":"key","value":"@"}],"id":"i","version":3}` + "\n"
	return []vendorCase{
		{"github:acme/app#KEY", "gh|secret|set|KEY|--repo|acme/app", "@", ""},
		{"github:acme/app@prod 1#KEY", "gh|secret|set|KEY|--repo|acme/app|--env|prod 1", "@", ""},
		{"github:git.example.com/acme/app#KEY", "gh|secret|set|KEY|--repo|git.example.com/acme/app", "@", ""},
		{
			"gitlab:acme/web/app#KEY", "glab|api|--method|PUT|projects/acme%2Fweb%2Fapp/variables/KEY|--header|Content-Type: application/json|--input|-",
			`{"value":"@"}`, "glab|api|projects/acme%2Fweb%2Fapp/variables/KEY",
		},
		{
			"gitlab:acme/app@review/*#KEY",
			"glab|api|--method|PUT|projects/acme%2Fapp/variables/KEY?filter%5Benvironment_scope%5D=review%2F%2A|--header|Content-Type: application/json|--input|-",
			`{"value":"@"}`, "glab|api|projects/acme%2Fapp/variables/KEY?filter%5Benvironment_scope%5D=review%2F%2A",
		},
		{"vault:secret/ci/app#api_key", "vault|kv|patch|secret/ci/app|api_key=-", "@", "vault|kv|get|-field=api_key|secret/ci/app"},
		{
			"aws-sm:prod/ci", "aws|secretsmanager|put-secret-value|--secret-id|prod/ci|--secret-string|file:///dev/stdin", "@",
			"aws|secretsmanager|get-secret-value|--secret-id|prod/ci|--query|SecretString|--output|text",
		},
		{
			"aws-sm:arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci-a1b2c3",
			"aws|secretsmanager|put-secret-value|--secret-id|arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci-a1b2c3|--secret-string|file:///dev/stdin", "@",
			"aws|secretsmanager|get-secret-value|--secret-id|arn:aws:secretsmanager:eu-west-1:123456789012:secret:ci-a1b2c3|--query|SecretString|--output|text",
		},
		{
			"gcp-sm:ci", "gcloud|secrets|versions|add|ci|--data-file=-|--quiet", "@",
			"gcloud|secrets|versions|access|latest|--secret|ci|--quiet",
		},
		{
			"gcp-sm:acme-1/ci", "gcloud|secrets|versions|add|ci|--data-file=-|--quiet|--project|acme-1", "@",
			"gcloud|secrets|versions|access|latest|--secret|ci|--quiet|--project|acme-1",
		},
		{
			"azure-kv:acme/ci", "az|keyvault|secret|set|--vault-name|acme|--name|ci|--file|/dev/stdin|--encoding|utf-8|--output|none", "@",
			"az|keyvault|secret|show|--vault-name|acme|--name|ci|--query|value|--output|tsv",
		},
		{
			"k8s:prod/app#api.key", "kubectl|patch|secret|app|--namespace|prod|--type|merge|--patch-file|/dev/stdin", `{"stringData":{"api.key":"@"}}`,
			`kubectl|get|secret|app|--namespace|prod|--output|go-template={{with index .data "api.key"}}{{.}}{{end}}`,
		},
		{"op:CI keys/app/key", "op|item|edit|app|--vault|CI keys", op, "op|read|--no-newline|op://CI keys/app/key"},
		{
			"doppler:app/prd#KEY", "doppler|secrets|set|KEY|--project|app|--config|prd|--no-interactive|--silent", "@",
			"doppler|secrets|get|KEY|--project|app|--config|prd|--plain",
		},
		{
			"infisical:1234/prod#KEY", "infisical|secrets|set|--file=/dev/stdin|--type=shared|--projectId=1234|--env=prod", "KEY=@\n",
			"infisical|secrets|get|KEY|--plain|--silent|--projectId=1234|--env=prod",
		},
		{
			"infisical:1234/prod/a/b#KEY", "infisical|secrets|set|--file=/dev/stdin|--type=shared|--projectId=1234|--env=prod|--path=/a/b", "KEY=@\n",
			"infisical|secrets|get|KEY|--plain|--silent|--projectId=1234|--env=prod|--path=/a/b",
		},
		{"fly:app#KEY", "fly|secrets|import|--app|app|--detach", "KEY=@\n", ""},
		{"vercel:production#KEY", "vercel|env|add|KEY|production|--force", "@", ""},
		{"cloudflare:app#KEY", "wrangler|secret|put|KEY|--name|app", "@", ""},
		{"cloudflare:app@prod#KEY", "wrangler|secret|put|KEY|--name|app|--env|prod", "@", ""},
	}
}

// TestPresets drives each vendor's program, and looks at all that it was given.
func TestPresets(t *testing.T) { // not parallel: PATH is the process's
	program := vendorProgram(t)
	bin := t.TempDir()
	for _, p := range presets() {
		if err := os.Symlink(program, filepath.Join(bin, p.program)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	seen := map[string]bool{}
	for _, tt := range vendorCases() {
		kind, _, _ := strings.Cut(tt.spec, ":")
		seen[kind] = true
		t.Run(tt.spec, func(t *testing.T) {
			dir, mode := t.TempDir(), ""
			sys := System{Environ: func() []string {
				return append(os.Environ(), "VENDOR_DIR="+dir, "VENDOR_MODE="+mode, "KEYFOB_TOKEN=kfs_x", "AWS_PROFILE=ci")
			}}
			s, err := Parse(tt.spec, sys)
			if err != nil || s.Name() != tt.spec {
				t.Fatalf("%v, %v", s, err)
			}
			delivers(t, tt, s, dir)
			reader, reads := s.(Reader)
			for mode = range map[string]bool{"fail": true, "lie": true, "change": true} {
				next := secret.New(secret.Key)
				err := s.Put(t.Context(), next)
				if (err != nil) != (mode == "fail") {
					t.Errorf("%s: %v", mode, err)
				}
				if err != nil && strings.Contains(err.Error(), next.Reveal()[3:]) {
					t.Errorf("the error holds the secret: %v", err)
				}
				if reads {
					if held, err := Holds(t.Context(), reader, next); held || err != nil {
						t.Errorf("%s: it holds the secret: %v, %v", mode, held, err)
					}
				}
			}
		})
	}
	for _, p := range presets() {
		if !seen[p.name] {
			t.Errorf("%s has no case", p.name)
		}
	}
}

// delivers puts a secret, and wants the calls that the case tells, with no secret where it must not be.
func delivers(t *testing.T, tt vendorCase, s Sink, dir string) {
	t.Helper()
	sec := secret.New(secret.Key)
	program, _, _ := strings.Cut(tt.put, "|")
	if err := os.WriteFile(filepath.Join(dir, program+".kept"), []byte("kf_old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Ready(t.Context()), s.Put(t.Context(), sec)); err != nil {
		t.Fatal(err)
	}
	reader, reads := s.(Reader)
	if reads != (tt.get != "") {
		t.Fatalf("it can be read: %v", reads)
	}
	if reads {
		if held, err := Holds(t.Context(), reader, sec); !held || err != nil {
			t.Fatalf("it does not hold the secret: %v", err)
		}
	}
	var put, got []string
	for _, c := range calls(t, dir) {
		line := strings.Join(c.Argv, "|")
		if strings.Contains(line+strings.Join(c.Environ, "\n"), sec.Reveal()) || slices.Contains(c.Environ, "KEYFOB_TOKEN=kfs_x") {
			t.Errorf("a secret is among what others can see of %s", line)
		}
		if !slices.Contains(c.Environ, "AWS_PROFILE=ci") {
			t.Errorf("%s has not the user's environment", line)
		}
		if c.Stdin == "" {
			got = append(got, line)
			continue
		}
		put = append(put, line)
		if sum := sha256.Sum256([]byte(strings.ReplaceAll(tt.stdin, "@", sec.Reveal()))); c.Stdin != hex.EncodeToString(sum[:]) {
			t.Errorf("stdin is not %q", tt.stdin)
		}
	}
	var want []string
	if reads {
		want = []string{tt.get, tt.get}
	}
	if program == "op" {
		want = []string{tt.get, "op|item|get|app|--vault|CI keys|--format|json", tt.get}
	}
	if !slices.Equal(put, []string{tt.put}) || !slices.Equal(got, want) {
		t.Errorf("calls\n%q\n%q, want\n%q\n%q", put, got, tt.put, want)
	}
}

func TestPresetPlaces(t *testing.T) {
	t.Parallel()
	pasted := secret.New(secret.Key).Reveal()
	for _, spec := range []string{
		"github:", "github:acme#KEY", "github:acme/app", "github:acme/app#", "github:acme/app@#KEY", "github:acme/app#1K", "github:-f/app#KEY",
		"github:acme/app#--body=x", "github:acme/app@-e#KEY", "github:a/b/c/d#KEY", "github:acme/app#KEY\n", "github:acme/app#K EY", "gitlab:app#KEY",
		"gitlab:acme/app#K/../x", "vault:secret#", "vault:-x#a", "vault:a/-x#a", "vault:a#-field", "vault:a#b=c", "aws-sm:", "aws-sm:-x", "aws-sm:a b",
		"gcp-sm:a/b/c", "gcp-sm:-x", "azure-kv:a", "azure-kv:a/-b", "k8s:app#KEY", "k8s:a/b#K\"}}{{.}}", "k8s:a/-b#K", "op:a/b", "op:a/b/c/d", "op:-a/b/c",
		"doppler:a#K", "infisical:a#K", "infisical:a/b/-c#K", "fly:#K", "fly:a/b#K", "vercel:#K", "vercel:--cwd#K", "cloudflare:a@-b#K",
		"aws-sm:" + pasted, "github:acme/app@" + pasted + "#K", "vault:" + strings.Repeat("a", 300) + "#b",
	} {
		_, err := Parse(spec, System{})
		var known *Error
		if !errors.As(err, &known) || !known.Usage || known.Hint == "" || strings.Contains(known.Error()+known.Hint, pasted[3:]) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

// TestPresetIsNotReady: what is not there is told before a secret is made, with what makes it.
func TestPresetIsNotReady(t *testing.T) { // not parallel: PATH is the process's
	program := vendorProgram(t)
	bin, dir := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin)
	sys := System{Environ: func() []string { return []string{"VENDOR_DIR=" + dir} }}
	s, err := Parse("vault:secret/ci#api_key", sys)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no program vault on PATH") {
		t.Errorf("got %v", err)
	}
	if err := os.Symlink(program, filepath.Join(bin, "vault")); err != nil {
		t.Fatal(err)
	}
	var known *Error
	if err := s.Ready(t.Context()); !errors.As(err, &known) || !strings.Contains(known.Reason, "nothing is there") || !strings.Contains(known.Hint, "vault kv patch secret/ci api_key=none") {
		t.Errorf("got %v, %q", err, known.Hint)
	}
}

func TestPresetHangs(t *testing.T) { // not parallel: PATH is the process's
	program := vendorProgram(t)
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "gh")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	s, err := Parse("github:acme/app#KEY", System{Environ: func() []string { return []string{"VENDOR_DIR=" + dir, "VENDOR_MODE=hang"} }})
	if err != nil {
		t.Fatal(err)
	}
	v, ok := s.(vendor)
	if !ok {
		t.Fatalf("it is a %T", s)
	}
	v.limit = 300 * time.Millisecond
	if err := v.Put(t.Context(), secret.New(secret.Key)); err == nil || !strings.Contains(err.Error(), "did not end within 300ms") {
		t.Errorf("got %v", err)
	}
}

func TestOpItem(t *testing.T) {
	t.Parallel()
	parts := map[string]string{"field": "key"}
	for old, want := range map[string]error{
		`{"category":"LOGIN","fields":[{"id":"key"}]}`:                      errOpLogin,
		`{"category":"PASSWORD","fields":[{"id":"key"},{"label":"key"}]}`:   errOpFields,
		`{"category":"PASSWORD","fields":[{"id":"other"}]}`:                 errOpFields,
		`{"category":"PASSWORD"}`:                                           errOpFields,
		`{"category":"PASSWORD","fields":["key",{"id":"key","value":"x"}]}`: nil,
	} {
		if _, err := opItem(old, parts, secret.New(secret.Key)); !errors.Is(err, want) {
			t.Errorf("%s: %v", old, err)
		}
	}
	if _, err := opItem("no", parts, secret.New(secret.Key)); err == nil {
		t.Error("text that is no item is taken")
	}
	sec := secret.New(secret.Key)
	got, err := opItem(`{"category":"PASSWORD","n":12345678901234567890,"fields":[{"id":"key","value":"<&>"}]}`, parts, sec)
	want := fmt.Sprintf(`{"category":"PASSWORD","fields":[{"id":"key","value":"%s"}],"n":12345678901234567890}`+"\n", sec.Reveal())
	if err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
}
