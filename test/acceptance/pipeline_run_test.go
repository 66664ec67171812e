package acceptance

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

func (p *pipeline) inputs(more map[string]string) map[string]string {
	with := map[string]string{
		"url": exampleURL, "key": p.key, "to": "exec:gh secret set API_KEY\n\n  exec:gh secret set OTHER  \r\n", "check": "./smoke-test",
		"grace": "1h", "bin": program("keyfob"),
	}
	maps.Copy(with, more)
	return with
}

func (p *pipeline) session() map[string]string {
	return map[string]string{"KEYFOB_TOKEN": p.token, "KEYFOB_ORG": "acme"}
}

// TestAction runs the steps of the composite action as GitHub's runner does.
func TestAction(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	t.Run("rotates, and once", func(t *testing.T) {
		t.Parallel()
		p := newPipeline(t, v, "ci").github()
		code, out := p.act(p.inputs(nil), p.session())
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.log.String())
		}
		sec := p.delivered(2)
		p.masked(sec)
		p.rotated(out["rotation"], sec)
		p.again()
		code, again := p.act(p.inputs(nil), p.session())
		if code != 0 || again["rotation"] != out["rotation"] {
			t.Errorf("exit code %d, rotation %q, before %q\n%s", code, again["rotation"], out["rotation"], p.log.String())
		}
		p.delivered(2)
		p.rotated(out["rotation"], sec)
	})
	t.Run("installs, fails at the check and goes on", func(t *testing.T) {
		t.Parallel()
		p := newPipeline(t, v, "installed").github()
		with := p.inputs(map[string]string{"bin": "", "check": `sh -c "cat >&2; exit 3"`})
		if code, _ := p.act(with, p.session()); code != 1 {
			t.Errorf("exit code %d\n%s", code, p.log.String())
		}
		sec := p.delivered(2)
		p.again()
		with["check"] = ""
		code, out := p.act(with, p.session())
		if code != 0 {
			t.Errorf("exit code %d\n%s", code, p.log.String())
		}
		p.rotated(out["rotation"], sec)
		p.masked(sec)
	})
	// Text that a shell or a runner would act upon is only text.
	for name, tc := range map[string]struct {
		with map[string]string
		code int
		say  string
	}{
		"a key that is a command":    {map[string]string{"key": `"; touch pwned; "$(touch pwned)`}, 3, "the organisation has no key"},
		"a key that is a flag":       {map[string]string{"key": "--emergency"}, 3, "the organisation has no key"},
		"a grace that is a command":  {map[string]string{"grace": "1h; touch pwned"}, 2, "grace"},
		"a check that is two":        {map[string]string{"check": "./smoke-test; touch pwned"}, 1, "the program can't be run"},
		"a sink that is two flags":   {map[string]string{"to": "file:x --emergency\n--abort"}, 2, "this is no sink"},
		"no sink":                    {map[string]string{"to": " \n\t\n"}, 2, "::error::to names no sink"},
		"stdout":                     {map[string]string{"to": "file:x\n stdout "}, 2, "::error::to is stdout"},
		"no program":                 {map[string]string{"bin": "keyfob-no-such"}, 2, "::error::bin names no program"},
		"a program that is a flag":   {map[string]string{"bin": "-v"}, 2, "::error::bin names no program"},
		"a program of the shell's":   {map[string]string{"bin": "eval"}, 2, "::error::bin names no program"},
		"a version that is a module": {map[string]string{"bin": "", "version": "v1.0.0 evil.example/x@latest"}, 2, "::error::version"},
		"a version with an output":   {map[string]string{"bin": "", "version": "latest\nbin=/bin/evil"}, 2, "::error::version"},
		"another service":            {map[string]string{"url": "http://127.0.0.1:1"}, 6, "can't reach"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipeline(t, v, regexp.MustCompile(`\W`).ReplaceAllString(name, "-")).github()
			code, _ := p.act(p.inputs(tc.with), p.session())
			if code != tc.code || !strings.Contains(p.log.String(), tc.say) {
				t.Errorf("exit code %d, want %d and %q\n%s", code, tc.code, tc.say, p.log.String())
			}
			if left, _ := os.ReadDir(filepath.Join(p.root, "work")); len(left) != 1 {
				t.Errorf("left behind: %v", left)
			}
			if strings.Contains(p.log.String(), "kf_") {
				t.Errorf("a secret, or a mask, of a rotation that never was: %s", p.log.String())
			}
		})
	}
}

// blocks returns the fenced blocks of a language in a document.
func blocks(t *testing.T, path, language string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestDocumentedPipelines runs the workflows of docs/rotation.md. The programs of GitHub and GitLab, and go, record what they are
// given, and keys.example.com is the service under test.
func TestDocumentedPipelines(t *testing.T) {
	t.Parallel()
	github, gitlab := 0, 0
	for _, text := range blocks(t, rotationDoc, "yaml") {
		switch name, _, _ := strings.Cut(text, "\n"); name {
		case "# .github/workflows/rotate.yml":
			github++
			var w workflow
			strict(t, text, &w)
			t.Run("github "+strconv.Itoa(github), func(t *testing.T) {
				t.Parallel()
				newPipeline(t, newVictim(t), "ci").workflow(w)
			})
		case "# .gitlab-ci.yml":
			gitlab++
			var jobs map[string]gitlabJob
			strict(t, text, &jobs)
			t.Run("gitlab", func(t *testing.T) {
				t.Parallel()
				newPipeline(t, newVictim(t), "ci").gitlab(jobs["rotate"])
			})
		default:
			t.Errorf("a pipeline that is not tried: %s", name)
		}
	}
	if github != 2 || gitlab != 1 {
		t.Errorf("%d workflows of GitHub, %d of GitLab", github, gitlab)
	}
}

// workflow runs a job. Where it has no token but asks for one of GitHub's, it is given a session here: what a trust rule makes of
// such a token is not this test's.
func (p *pipeline) workflow(w workflow) {
	p.Helper()
	p.github()
	keyless := w.Permissions["id-token"] == "write"
	times, tokens, rotation := 0, 0, ""
	for _, j := range w.Jobs {
		known := map[string]string{"secrets.KEYFOB_TOKEN": p.token, "secrets.ADMIN_TOKEN": "ghs_admin"}
		for _, s := range j.Steps {
			env := maps.Clone(j.Env)
			if env == nil {
				env = map[string]string{}
			}
			for name, value := range s.Env {
				env[name] = p.expression(value, known)
			}
			if _, ok := env["KEYFOB_TOKEN"]; ok {
				tokens++
			}
			env["KEYFOB_TOKEN"] = p.token
			var code int
			switch uses, _, _ := strings.Cut(s.Uses, "@"); uses {
			case "":
				code, _ = p.shell(s.Run, env)
				times += strings.Count(s.Run, "--to ")
			case "actions/checkout":
			case "keyfob/keyfob/" + strings.TrimPrefix(filepath.Dir(actionFile), "../../"):
				var out map[string]string
				code, out = p.act(s.With, env)
				rotation = out["rotation"]
				for name, value := range out {
					known["steps."+s.ID+".outputs."+name] = value
				}
				times += strings.Count(s.With["to"], "exec:")
			default:
				p.Errorf("uses %s", s.Uses)
			}
			if code != 0 {
				p.Fatalf("%s ends with %d\n%s", s.Name, code, p.log.String())
			}
		}
	}
	if keyless != (tokens == 0) {
		p.Errorf("id-token %v, and a token in %d steps", keyless, tokens)
	}
	sec := p.delivered(times)
	p.masked(sec)
	p.rotated(rotation, sec)
}

func (p *pipeline) gitlab(j gitlabJob) {
	p.Helper()
	maps.Copy(p.env, map[string]string{
		"GITLAB_CI": "true", "CI_PIPELINE_ID": "42", "CI_PROJECT_PATH": "acme/app", "KEYFOB_TOKEN": p.token, "GITLAB_TOKEN": "glpat-x",
	})
	p.env["PATH"] = p.env["HOME"] + "/go/bin:" + p.env["PATH"] // as the image golang has it
	if j.IDTokens["KEYFOB_ID_TOKEN"]["aud"] != j.Variables["KEYFOB_URL"] {
		p.Errorf("the token is for %s", j.IDTokens)
	}
	code, _ := p.shell(strings.Join(slices.Concat(j.BeforeScript, j.Script), "\n"), j.Variables)
	if code != 0 {
		p.Fatalf("ends with %d\n%s", code, p.log.String())
	}
	sec := p.delivered(1)
	p.masked(sec)
	p.rotated("", sec)
}

// TestDrawingOfTheStates: both drawings in the document have every state there is, and no other.
func TestDrawingOfTheStates(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for line := range strings.Lines(blocks(t, rotationDoc, "mermaid")[0]) {
		m := regexp.MustCompile(`^ {4}(\[\*\]|\w+) --> (\[\*\]|\w+)(: [^:]+)?\n$`).FindStringSubmatch(line)
		if m == nil && line != "stateDiagram-v2\n" {
			t.Errorf("mermaid: %s", line)
			continue
		}
		for _, state := range m[min(len(m), 1):min(len(m), 3)] {
			if state != "[*]" {
				drawn[strings.ReplaceAll(state, "_", "-")] = true
			}
		}
	}
	text := strings.Join(blocks(t, rotationDoc, "text"), "")
	states := api.RotationStates()
	for _, state := range states {
		if !drawn[string(state)] || !strings.Contains(text, string(state)) {
			t.Errorf("%s is not drawn", state)
		}
	}
	if len(drawn) != len(states) {
		t.Errorf("drawn: %v", drawn)
	}
}
