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
	type os struct{ name, path string }
	var all []os
	for _, o := range []os{{"linux", "Linux"}, {"darwin", "macOS"}, {"windows", "Windows"}} {
		templates := p.on(o.name)
		if len(templates) == 0 {
			continue
		}
		all = append(all, os{o.path, windowsForm(o.name, usual(templates))})
	}
	if len(all) == 3 && p.linux == nil && p.mac == nil && p.windows == nil {
		return all[0].path
	}
	var parts []string
	for _, o := range all {
		parts = append(parts, o.path+" ("+o.name+")")
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
	return templates[len(templates)-1]
}

func windowsForm(goos, template string) string {
	template = strings.TrimPrefix(template, "./")
	if goos != "windows" || !strings.ContainsAny(template[:1], "$~") {
		return template
	}
	start, rest, _ := strings.Cut(template, "/")
	name := "USERPROFILE"
	if start != "~" {
		name = start[1:]
	}
	return "%" + name + `%\` + strings.ReplaceAll(rest, "/", `\`)
}
