package quickstart

import (
	"fmt"
	"strings"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/pkg/api"
)

// report is what `quickstart -o json` prints.
type report struct {
	Service serviceDoc        `json:"service"`
	Org     api.Org           `json:"org"`
	Key     api.Key           `json:"key"`
	Secret  string            `json:"secret"`
	Checks  []check           `json:"checks"`
	MCP     api.MCPServer     `json:"mcp"`
	Setups  []mcpclient.Setup `json:"setups"`

	made bool
}

type serviceDoc struct {
	URL     string `json:"url"`
	DataDir string `json:"data_dir"`
}

// check is one proof: what was tried, whether it held, and how long it took in milliseconds.
type check struct {
	Name string  `json:"name"`
	OK   bool    `json:"ok"`
	MS   float64 `json:"ms"`

	told string
	err  error
}

func (r *report) failedCheck() error {
	for _, c := range r.Checks {
		if c.err != nil {
			return fmt.Errorf("the check %q failed: %w", c.Name, c.err)
		}
	}
	return nil
}

func printReport(opts *Options, r *report) error {
	switch {
	case r.failedCheck() != nil:
		return nil // stdout stays empty on failure; the error says which check it was
	case opts.Out.Structured():
		return opts.Out.Object(r)
	case opts.Out.Quiet:
		return opts.Out.Line("%s", r.Secret)
	}
	var b strings.Builder
	how := "in use"
	if r.made {
		how = "made now"
	}
	fmt.Fprintf(&b, "Keyfob runs at %s\n\n", r.Service.URL)
	fmt.Fprintf(&b, "  data   %s\n  org    %s\n  key    %s (%s), %s\n  MCP    %s at %s\n\nProved\n\n",
		r.Service.DataDir, r.Org.Slug, r.Key.Name, r.Key.Hint, how, r.MCP.Name, r.MCP.URL)
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "  %s (%.1f ms)\n", c.told, c.MS)
	}
	b.WriteString("\nConnect an AI client\n")
	for _, s := range r.Setups {
		writeSetup(&b, s)
	}
	for line := range strings.Lines(b.String()) {
		if err := opts.Out.Line("%s", cliutil.Printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	for _, s := range r.Setups {
		if s.Note != "" {
			opts.Out.Note("note: %s: %s", s.Client, s.Note)
		}
	}
	return nil
}

func writeSetup(b *strings.Builder, s mcpclient.Setup) {
	title := s.Client
	if known, ok := mcpclient.Lookup(s.Client); ok {
		title = known.Title
	}
	fmt.Fprintf(b, "\n  %s\n    %s\n", title, s.Text)
	for i, step := range s.Steps {
		fmt.Fprintf(b, "    %d. %s\n", i+1, step)
	}
}

func join(names []string) string { return strings.Join(names, ", ") }
