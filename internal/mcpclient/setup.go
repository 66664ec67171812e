package mcpclient

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
	"github.com/keyfob/keyfob/internal/shellquote"
)

// tableSetup is the setup that follows from the client's facts alone.
func (c Client) tableSetup(s server) (Setup, error) {
	facts := c.facts()
	fill := []string{theName, s.name, theURL, s.url.String(), theKeyURL, s.keyURL(), theKey, s.secret}
	note := strings.ReplaceAll(facts.note, theName, s.name)
	var out Setup
	var err error
	switch c.Kind {
	case KindCommand:
		out, err = s.command(fillWords(facts.command, fill...), shellquote.Any, note)
	case KindLink:
		out.Steps = slices.Clone(facts.steps)
	case KindFile:
		out, err = c.fileSetup(s)
	default:
		out, err = c.pasteSetup(fill, s.name)
	}
	if err != nil {
		return Setup{}, err
	}
	out.Note = note
	if facts.link != nil {
		if out.URL, err = facts.link(s); err != nil {
			return Setup{}, err
		}
		if out.Text == "" {
			out.Text = out.URL
		}
	}
	return out, nil
}

func (c Client) fileSetup(s server) (Setup, error) {
	facts := c.facts()
	f := facts.files[0]
	entry, _, err := c.Entry(Target{Scope: f.scope}, Params{Name: s.name, URL: s.url.String()}, Auth{Rung: RungLiteral, Literal: s.key})
	if err != nil {
		return Setup{}, err
	}
	text, err := snippet(f.format, f.place, s.name, entry)
	where := f.at.shown()
	return Setup{Text: text, File: where, Steps: append([]string{"Put this into " + where + ", beside what stands there."}, facts.steps...)}, err
}

// pasteSetup is text for a form of the client: lines with holes, or its entry as JSON.
func (c Client) pasteSetup(fill []string, name string) (Setup, error) {
	facts := c.facts()
	steps := slices.Clone(facts.steps)
	if facts.paste != "" {
		return Setup{Text: strings.NewReplacer(fill...).Replace(facts.paste), Steps: steps}, nil
	}
	entry := filler{text: strings.NewReplacer(fill...)}.object(facts.forms[RungLiteral])
	text, err := snippet(edit.JSON, edit.Place{Path: []string{"mcpServers"}}, name, entry)
	return Setup{Text: text, Steps: steps}, err
}

// command is the setup that runs argv.
func (s server) command(argv []string, target shellquote.Target, note string) (Setup, error) {
	line, err := shellquote.LineFor(s.shell, argv, target)
	if err != nil {
		return Setup{}, fmt.Errorf("command line for %s: %w", s.shell, err)
	}
	return Setup{Argv: argv, Text: line, Note: note}, nil
}

func fillWords(words []string, holes ...string) []string {
	replace := strings.NewReplacer(holes...)
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = replace.Replace(w)
	}
	return out
}

// shown is the place as a person finds it: without the variables that move it, and for each OS where they differ.
func (p paths) shown() string {
	type group struct {
		path string
		on   []string
	}
	var groups []group
	for _, os := range []struct{ goos, name string }{{"linux", "Linux"}, {"darwin", "macOS"}, {"windows", "Windows"}} {
		templates := p.on(os.goos)
		if len(templates) == 0 {
			continue
		}
		path := usual(templates)
		if len(p.windows) > 0 && os.goos == "windows" {
			path = windowsForm(path)
		}
		if i := slices.IndexFunc(groups, func(g group) bool { return g.path == path }); i >= 0 {
			groups[i].on = append(groups[i].on, os.name)
			continue
		}
		groups = append(groups, group{path, []string{os.name}})
	}
	if len(groups) == 1 && len(groups[0].on) == 3 {
		return groups[0].path
	}
	var parts []string
	for _, g := range groups {
		parts = append(parts, g.path+" ("+strings.Join(g.on, ", ")+")")
	}
	return strings.Join(parts, ", ")
}

// usual is the template for a person who has set no variable.
func usual(templates []string) string {
	for _, t := range templates {
		if strings.HasPrefix(t, "$APPDATA/") || strings.HasPrefix(t, "$LOCALAPPDATA/") { // Windows always sets them
			return t
		}
	}
	return strings.TrimPrefix(templates[len(templates)-1], "./")
}

// windowsForm writes a template as cmd and Explorer take it.
func windowsForm(template string) string {
	start, rest, _ := strings.Cut(template, "/")
	switch {
	case start == "~":
		start = "%USERPROFILE%"
	case strings.HasPrefix(start, "$"):
		start = "%" + start[1:] + "%"
	default:
		return template
	}
	return start + `\` + strings.ReplaceAll(rest, "/", `\`)
}
