package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/pkg/api"
)

const (
	actionFile  = "../../.github/actions/rotate/action.yml"
	rotationDoc = "../../docs/rotation.md"
	exampleURL  = "https://keys.example.com"
)

// pipeline is a job of a CI: the runner's part of it, with real programs but for those of the vendors, which record.
type pipeline struct {
	*victim
	key, old string
	root     string // work: the checked out repository; bin: programs; seen: what those recorded; temp: the runner's
	env      map[string]string
	log      strings.Builder
	attempt  int
	isGitHub bool
}

func newPipeline(t *testing.T, v *victim, key string) *pipeline {
	t.Helper()
	p := &pipeline{victim: v, key: key, root: t.TempDir(), attempt: 1}
	p.victim = &victim{T: t, address: v.address, token: v.token}
	for _, dir := range []string{"work", "bin", "seen", "temp", "home"} {
		p.must(os.Mkdir(filepath.Join(p.root, dir), 0o700))
	}
	record := "#!/bin/sh\nn=" + filepath.Join(p.root, "seen") + `/$(basename "$0")-$$
{ printf '%s\n' "$0" "$@"; env; } > "$n.seen"
cat > "$n.secret"
`
	for _, name := range []string{"gh", "glab"} {
		p.script("bin/"+name, record)
	}
	// go installs what was built from here: nothing is published yet.
	p.script("bin/go", `#!/bin/sh
set -e
bin=${GOBIN:-$HOME/go/bin}
case "$1 $2" in
"install github.com/keyfob/keyfob/cmd/keyfob@"*) mkdir -p "$bin"; cp "`+program("keyfob")+`" "$bin/keyfob" ;;
"install gitlab.com/gitlab-org/cli/cmd/glab@latest") ;;
"env GOPATH") echo "$HOME/go" ;;
*) echo "go: $*" >&2; exit 1 ;;
esac
`)
	p.script("work/smoke-test", "#!/bin/sh\ngrep -q '^kf_'\n")
	cmd := exec.CommandContext(t.Context(), program("keyfob"), "keys", "create", key, "-q")
	cmd.Env = []string{"HOME=" + p.root + "/home", "KEYFOB_URL=http://" + v.address, "KEYFOB_TOKEN=" + v.token, "KEYFOB_ORG=acme"}
	out, err := cmd.Output()
	p.must(err)
	p.old = strings.TrimSpace(string(out))
	p.env = map[string]string{"HOME": p.root + "/home", "PATH": p.root + "/bin:/usr/bin:/bin", "CI": "true"}
	return p
}

func (p *pipeline) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *pipeline) script(name, text string) {
	p.Helper()
	p.must(os.WriteFile(filepath.Join(p.root, name), []byte(text), 0o700))
}

// github makes it a job of GitHub Actions.
func (p *pipeline) github() *pipeline {
	p.isGitHub = true
	maps.Copy(p.env, map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "4711", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_REPOSITORY": "acme/app",
		"RUNNER_TEMP": p.root + "/temp",
	})
	return p
}

// shell runs a script as the platform does, and returns its exit code and what it wrote to GITHUB_OUTPUT. What both of its streams
// show, in order, is the job's log.
func (p *pipeline) shell(script string, env map[string]string) (code int, outputs map[string]string) {
	p.Helper()
	if strings.Contains(script, "${{") {
		p.Fatalf("an expression in the text of a script:\n%s", script)
	}
	file := filepath.Join(p.root, "temp", "script.sh")
	p.must(os.WriteFile(file, []byte(script), 0o600))
	files := map[string]string{}
	for _, name := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"} {
		files[name] = filepath.Join(p.root, "temp", name)
		p.must(os.WriteFile(files[name], nil, 0o600))
	}
	ctx, cancel := context.WithTimeout(p.Context(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-eo", "pipefail", file)
	cmd.Dir = filepath.Join(p.root, "work")
	all := maps.Clone(p.env)
	if p.isGitHub {
		maps.Copy(all, files)
	}
	maps.Copy(all, env)
	for name, value := range all {
		cmd.Env = append(cmd.Env, name+"="+strings.ReplaceAll(value, exampleURL, "http://"+p.address))
	}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log // one writer: the order is that of the writes
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		p.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(files[name])
		p.must(err)
		return strings.TrimSpace(string(text))
	}
	outputs = map[string]string{}
	for line := range strings.Lines(read("GITHUB_OUTPUT")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		outputs[name] = value
	}
	for line := range strings.Lines(read("GITHUB_PATH")) {
		p.env["PATH"] = strings.TrimSpace(line) + ":" + p.env["PATH"]
	}
	return cmd.ProcessState.ExitCode(), outputs
}

// expression puts in what ${{ … }} stands for; what is not known fails the test.
func (p *pipeline) expression(text string, known map[string]string) string {
	p.Helper()
	return regexp.MustCompile(`\$\{\{ *(\S+) *}}`).ReplaceAllStringFunc(text, func(e string) string {
		name := strings.TrimSpace(strings.Trim(e, "${}"))
		value, ok := known[name]
		if !ok {
			p.Fatalf("%s is unknown", name)
		}
		return value
	})
}

// act runs the composite action.
func (p *pipeline) act(with, env map[string]string) (code int, outputs map[string]string) {
	p.Helper()
	text, err := os.ReadFile(actionFile)
	p.must(err)
	var a action
	strict(p.T, string(text), &a)
	known := map[string]string{}
	for name, in := range a.Inputs {
		value, given := with[name]
		if !given {
			value = in.Default
		}
		if in.Required && !given {
			p.Fatalf("the input %s is missing", name)
		}
		known["inputs."+name] = value
	}
	for name := range with {
		if _, ok := a.Inputs[name]; !ok {
			p.Fatalf("the action has no input %s", name)
		}
	}
	for _, s := range a.Runs.Steps {
		if s.Shell != "bash" || s.ID == "" {
			p.Fatalf("step %q", s.Name)
		}
		stepEnv := maps.Clone(env)
		for name, value := range s.Env {
			stepEnv[name] = p.expression(value, known)
		}
		code, out := p.shell(s.Run, stepEnv)
		if code != 0 {
			return code, nil
		}
		for name, value := range out {
			known["steps."+s.ID+".outputs."+name] = value
		}
	}
	outputs = map[string]string{}
	for name, out := range a.Outputs {
		outputs[name] = p.expression(out.Value, known)
	}
	return 0, outputs
}

// delivered returns the secret that the recording programs were given on stdin, once each, and nowhere else.
func (p *pipeline) delivered(times int) string {
	p.Helper()
	secrets, err := filepath.Glob(filepath.Join(p.root, "seen", "*.secret"))
	p.must(err)
	got := map[string]bool{}
	for _, name := range secrets {
		text, err := os.ReadFile(name)
		p.must(err)
		got[string(text)] = true
		seen, err := os.ReadFile(strings.TrimSuffix(name, ".secret") + ".seen")
		p.must(err)
		if strings.Contains(string(seen), string(text)) || strings.Contains(string(seen), p.token) {
			p.Errorf("%s was given a secret as an argument or a variable", name)
		}
	}
	if len(secrets) != times || len(got) != 1 {
		p.Fatalf("delivered %d times, %d secrets, want %d times one\n%s", len(secrets), len(got), times, p.log.String())
	}
	return slices.Collect(maps.Keys(got))[0]
}

// masked wants no line of the log to show the secret before the one that masks it, nor a secret of the job's at all.
func (p *pipeline) masked(sec string) {
	p.Helper()
	isMasked := false
	for line := range strings.Lines(p.log.String()) {
		line = strings.TrimSpace(line)
		switch {
		case line == "::add-mask::"+sec:
			isMasked = true
		case strings.Contains(line, sec) && !isMasked, strings.Contains(line, p.token), strings.Contains(line, p.old):
			p.Errorf("the log shows a secret: %s", line)
		}
	}
	if isMasked != p.isGitHub {
		p.Errorf("masked: %v\n%s", isMasked, p.log.String())
	}
}

// rotated wants one rotation, promoted, of that id, and both secrets to open the service.
func (p *pipeline) rotated(id, sec string) {
	p.Helper()
	var list api.RotationList
	p.get("/v1/orgs/acme/keys/"+p.key+"/rotations", p.token, http.StatusOK, &list)
	if len(list.Rotations) != 1 || list.Rotations[0].State != api.RotationPromoted || id != "" && list.Rotations[0].ID != id {
		doc, _ := json.Marshal(list)
		p.Errorf("rotations %s, want %s", doc, id)
	}
	p.get("/v1/self", sec, http.StatusOK, nil)
	p.get("/v1/self", p.old, http.StatusOK, nil)
}

// again is the job's next attempt, on a new machine.
func (p *pipeline) again() {
	p.Helper()
	p.attempt++
	p.env["GITHUB_RUN_ATTEMPT"] = strconv.Itoa(p.attempt)
	p.must(os.RemoveAll(filepath.Join(p.root, "home")))
	p.must(os.Mkdir(filepath.Join(p.root, "home"), 0o700))
}
