package cliutil

// Style is whether a stream takes colour, and writes it.
type Style bool

// NewStyle decides for one stream: NO_COLOR (no-color.org) and TERM=dumb turn colour off, CLICOLOR_FORCE turns it on off a
// terminal too, and CLICOLOR=0 off on one (bixense.com/clicolors).
func NewStyle(env func(string) string, terminal bool) Style {
	switch {
	case env("NO_COLOR") != "":
		return false
	case env("CLICOLOR_FORCE") != "" && env("CLICOLOR_FORCE") != "0":
		return true
	case env("TERM") == "dumb", env("CLICOLOR") == "0":
		return false
	}
	return Style(terminal)
}

// Bold returns the text in bold.
func (s Style) Bold(text string) string { return s.wrap("1", text) }

// Red returns the text in bold red.
func (s Style) Red(text string) string { return s.wrap("1;31", text) }

func (s Style) wrap(code, text string) string {
	if !s {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
