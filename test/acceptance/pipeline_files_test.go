package acceptance

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// action and workflow are as much of GitHub's and GitLab's files as ours have; a field that is not here is refused.
type (
	action struct {
		Name, Description string
		Inputs            map[string]struct {
			Description, Default string
			Required             bool
		}
		Outputs map[string]struct{ Description, Value string }
		Runs    struct {
			Using string
			Steps []step
		}
	}
	step struct {
		ID, Name, Uses, Shell, Run string
		With, Env                  map[string]string
	}
	workflow struct {
		Name        string
		On          map[string]any
		Permissions map[string]string
		Concurrency string
		Jobs        map[string]workflowJob
	}
	workflowJob struct {
		RunsOn      string `yaml:"runs-on"`
		Environment string
		Timeout     int `yaml:"timeout-minutes"`
		Env         map[string]string
		Steps       []step
	}
	gitlabJob struct {
		Image         string
		Rules         []map[string]string
		ResourceGroup string `yaml:"resource_group"`
		Timeout       string
		Variables     map[string]string
		IDTokens      map[string]map[string]string `yaml:"id_tokens"`
		BeforeScript  []string                     `yaml:"before_script"`
		Script        []string
	}
)

func strict(t *testing.T, text string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}
