package sink

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/keyfob/keyfob/pkg/secret"
)

// What parts of a place may be made of. None begins with a dash: it would be a flag.
const (
	word     = `[\w.][\w.-]*`
	words    = word + `(?:/` + word + `)*`
	label    = `[^\x00-\x20\x7f#@-][^\x00-\x1f\x7f#@]*`
	variable = `[A-Za-z_]\w*`
)

// presets is the one table of vendors whose own program takes a secret on stdin, or from a file that may be stdin. A vendor whose
// program takes it as an argument alone has no place here.
//
// Sources: gh secret set; glab api (a PUT of the value alone, since `glab variable update` resets what it is not told); vault kv
// patch (put would take the other fields away); aws, az and kubectl read files, and /dev/stdin is one; op item edit; doppler secrets
// set; infisical secrets set --file; fly secrets import; vercel env add; wrangler secret put.
func presets() []preset { return append(platforms(), managers()...) }

// platforms run what uses the secret.
func platforms() []preset {
	return []preset{
		{
			name: "github", form: "github:OWNER/REPO[@ENV]#NAME", help: "a secret of GitHub Actions", program: "gh",
			place: `(?P<repo>` + word + `(?:/` + word + `){1,2})(?:@(?P<env>` + label + `))?#(?P<name>` + variable + `)`,
			put:   args{{"secret", "set", "{name}"}, {"--repo", "{repo}"}, {"--env", "{env}"}},
		},
		{
			name: "gitlab", form: "gitlab:GROUP/PROJECT[@ENV]#NAME", help: "a CI/CD variable of a GitLab project", program: "glab",
			place: `(?P<project>` + word + `(?:/` + word + `)+)(?:@(?P<env>` + label + `))?#(?P<name>` + variable + `)`,
			put: args{
				{"api", "--method", "PUT", "{endpoint}"},
				{"--header", "Content-Type: application/json", "--input", "-"},
			},
			get: args{{"api", "{endpoint}"}}, derive: gitlabEndpoint, stdin: valueJSON, value: valueOfJSON,
			fix: "make the variable first, masked: glab variable set",
		},
		{
			name: "fly", form: "fly:APP#NAME", help: "a secret of an app on Fly.io, which restarts with it", program: "fly",
			place: `(?P<app>` + word + `)#(?P<name>` + variable + `)`,
			put:   args{{"secrets", "import", "--app", "{app}", "--detach"}}, stdin: assignmentLine,
		},
		{
			name: "vercel", form: "vercel:ENVIRONMENT#NAME", help: "a variable of the Vercel project that this folder is linked with", program: "vercel",
			place: `(?P<env>` + word + `)#(?P<name>` + variable + `)`,
			put:   args{{"env", "add", "{name}", "{env}", "--force"}},
		},
		{
			name: "cloudflare", form: "cloudflare:WORKER[@ENV]#NAME", help: "a secret of a Cloudflare Worker", program: "wrangler",
			place: `(?P<worker>` + word + `)(?:@(?P<env>` + word + `))?#(?P<name>` + variable + `)`,
			put:   args{{"secret", "put", "{name}", "--name", "{worker}"}, {"--env", "{env}"}},
		},
	}
}

// managers keep secrets for others.
func managers() []preset {
	return []preset{
		{
			name: "vault", form: "vault:PATH#FIELD", help: "a field in HashiCorp Vault's KV version 2", program: "vault",
			place: `(?P<path>` + words + `)#(?P<field>` + word + `)`,
			put:   args{{"kv", "patch", "{path}", "{field}=-"}},
			get:   args{{"kv", "get", "-field={field}", "{path}"}},
			fix:   "make it first: vault kv patch {path} {field}=none, or kv put where nothing is at that path",
		},
		{
			name: "aws-sm", form: "aws-sm:NAME", help: "a secret in AWS Secrets Manager, by name or ARN", program: "aws",
			place: `(?P<name>[\w/+=.@:][\w/+=.@:-]*)`,
			put:   args{{"secretsmanager", "put-secret-value", "--secret-id", "{name}", "--secret-string", "file:///dev/stdin"}},
			get:   args{{"secretsmanager", "get-secret-value", "--secret-id", "{name}", "--query", "SecretString", "--output", "text"}},
			fix:   "make it first: aws secretsmanager create-secret --name {name} --secret-string none",
		},
		{
			name: "gcp-sm", form: "gcp-sm:[PROJECT/]NAME", help: "a secret in Google Cloud's Secret Manager", program: "gcloud",
			place: `(?:(?P<project>` + word + `)/)?(?P<name>` + word + `)`,
			put:   args{{"secrets", "versions", "add", "{name}", "--data-file=-", "--quiet"}, {"--project", "{project}"}},
			get:   args{{"secrets", "versions", "access", "latest", "--secret", "{name}", "--quiet"}, {"--project", "{project}"}},
			fix:   "make it first, with a version: printf none | gcloud secrets create {name} --data-file=-",
		},
		{
			name: "azure-kv", form: "azure-kv:VAULT/NAME", help: "a secret in Azure Key Vault", program: "az",
			place: `(?P<vault>` + word + `)/(?P<name>` + word + `)`,
			put: args{
				{"keyvault", "secret", "set", "--vault-name", "{vault}", "--name", "{name}"},
				{"--file", "/dev/stdin", "--encoding", "utf-8", "--output", "none"},
			},
			get: args{{"keyvault", "secret", "show", "--vault-name", "{vault}", "--name", "{name}", "--query", "value", "--output", "tsv"}},
			fix: "make it first: az keyvault secret set --vault-name {vault} --name {name} --value none",
		},
		{
			name: "k8s", form: "k8s:NAMESPACE/NAME#KEY", help: "a key of a Kubernetes Secret", program: "kubectl",
			place: `(?P<namespace>` + word + `)/(?P<name>` + word + `)#(?P<key>` + word + `)`,
			put:   args{{"patch", "secret", "{name}", "--namespace", "{namespace}", "--type", "merge", "--patch-file", "/dev/stdin"}},
			get:   args{{"get", "secret", "{name}", "--namespace", "{namespace}", "--output", `go-template={{with index .data "{key}"}}{{.}}{{end}}`}},
			stdin: secretPatch, value: fromBase64,
			fix: "make it first: kubectl create secret generic {name} --namespace {namespace}",
		},
		{
			name: "op", form: "op:VAULT/ITEM/FIELD", help: "a field of an item in 1Password, which is no login", program: "op",
			place: `(?P<vault>` + item + `)/(?P<item>` + item + `)/(?P<field>` + item + `)`,
			old:   args{{"item", "get", "{item}", "--vault", "{vault}", "--format", "json"}},
			put:   args{{"item", "edit", "{item}", "--vault", "{vault}"}},
			get:   args{{"read", "--no-newline", "op://{vault}/{item}/{field}"}}, edit: opItem,
			fix: "make the item first, with that field: op item create",
		},
		{
			name: "doppler", form: "doppler:PROJECT/CONFIG#NAME", help: "a secret in Doppler", program: "doppler",
			place: `(?P<project>` + word + `)/(?P<config>` + word + `)#(?P<name>` + variable + `)`,
			put:   args{{"secrets", "set", "{name}", "--project", "{project}", "--config", "{config}", "--no-interactive", "--silent"}},
			get:   args{{"secrets", "get", "{name}", "--project", "{project}", "--config", "{config}", "--plain"}},
			fix:   "make it first: doppler secrets set {name}=none --project {project} --config {config}",
		},
		{
			name: "infisical", form: "infisical:PROJECT/ENV[/FOLDER]#NAME", help: "a secret in Infisical, by the project's id", program: "infisical",
			place: `(?P<project>` + word + `)/(?P<env>` + word + `)(?:/(?P<folder>` + words + `))?#(?P<name>` + variable + `)`,
			put:   args{{"secrets", "set", "--file=/dev/stdin", "--type=shared", "--projectId={project}", "--env={env}"}, {"--path=/{folder}"}},
			get:   args{{"secrets", "get", "{name}", "--plain", "--silent", "--projectId={project}", "--env={env}"}, {"--path=/{folder}"}},
			stdin: assignmentLine,
			fix:   "make it first: infisical secrets set {name}=none --projectId={project} --env={env}",
		},
	}
}

// item is a name that people choose, in a place whose parts are told apart by slashes.
const item = `[^\x00-\x20\x7f/-][^\x00-\x1f\x7f/]*`

// gitlabEndpoint is the variable's address in GitLab's API, which takes a project by its escaped path.
func gitlabEndpoint(parts map[string]string) {
	endpoint := "projects/" + url.PathEscape(parts["project"]) + "/variables/" + parts["name"]
	if env := parts["env"]; env != "" {
		endpoint += "?filter%5Benvironment_scope%5D=" + url.QueryEscape(env)
	}
	parts["endpoint"] = endpoint
}

// A secret is letters, digits and _: it means itself in JSON and in an assignment.

func valueJSON(_ map[string]string, s secret.Secret) string { return `{"value":"` + s.Reveal() + `"}` }

func secretPatch(parts map[string]string, s secret.Secret) string {
	return `{"stringData":{"` + parts["key"] + `":"` + s.Reveal() + `"}}`
}

func assignmentLine(parts map[string]string, s secret.Secret) string {
	return parts["name"] + "=" + s.Reveal() + "\n"
}

func valueOfJSON(text string) (string, error) {
	var doc struct {
		Value string `json:"value"`
	}
	err := json.Unmarshal([]byte(text), &doc)
	return doc.Value, err
}

func fromBase64(text string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	return string(b), err
}
