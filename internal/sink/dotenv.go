package sink

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyfob/keyfob/pkg/secret"
)

// dotenv is a variable in a file of assignments. All but its value stays as it is, to the byte: comments, quotes, order, line
// ends. What can't be read for certain is refused and left alone.
type dotenv struct {
	place

	variable string
	lock     func(path string) (unlock func())
}

func parseDotenv(rest string, sys System) (Sink, error) {
	const form = "dotenv:PATH#NAME"
	at := strings.LastIndexByte(rest, '#')
	if at < 0 {
		return nil, &Error{Sink: "dotenv:" + rest, Reason: "the name of the variable is missing", Hint: "write it as " + form, Usage: true}
	}
	path, name := rest[:at], rest[at+1:]
	if err := checkPath(form, path); err != nil {
		return nil, err
	}
	if !isVariable(name) {
		return nil, &Error{Sink: "dotenv:" + path, Reason: "what stands after # is not the name of a variable", Hint: "use letters, digits and _, no digit first", Usage: true}
	}
	return dotenv{place{"dotenv:" + path + "#" + name, path}, name, sys.Lock}, nil
}

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		if !isLetter(c) && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != ""
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

func (d dotenv) Name() string { return d.name }

func (d dotenv) Ready(context.Context) error {
	was, _, err := d.find()
	if err != nil {
		return err
	}
	return d.writable(was)
}

func (d dotenv) Put(_ context.Context, s secret.Secret) error {
	if d.lock != nil {
		defer d.lock(filepath.Clean(d.path))()
	}
	was, found, err := d.find()
	if err != nil {
		return err
	}
	text := []byte(s.Reveal()) // letters, digits and _: it means itself in any quotes
	if found == nil {
		return d.write(was, withLine(was.text, d.variable+"="+string(text)))
	}
	return d.write(was, slices.Concat(was.text[:found.start], text, was.text[found.end:]))
}

func (d dotenv) Get(context.Context) (string, error) {
	was, found, err := d.find()
	if err != nil || found == nil {
		return "", err
	}
	return string(was.text[found.start:found.end]), nil
}

// find reads the file and the one assignment to the variable; nil: there is none.
func (d dotenv) find() (state, *assignment, error) {
	was, err := d.read()
	if err != nil {
		return was, nil, err
	}
	all, err := assignments(was.text)
	if err != nil {
		return was, nil, d.refuse(err.Error(), "the file was left as it is; correct it, or deliver with exec:")
	}
	var found *assignment
	for i := range all {
		if all[i].name != d.variable {
			continue
		}
		if found != nil {
			return was, nil, d.refuse("the variable is assigned twice", "keep one of them; the file was left as it is")
		}
		found = &all[i]
	}
	return was, found, nil
}

// withLine appends a line, with the file's own line ends.
func withLine(text []byte, line string) []byte {
	end := "\n"
	if at := bytes.IndexByte(text, '\n'); at > 0 && text[at-1] == '\r' {
		end = "\r\n"
	}
	out := slices.Clone(text)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, end...)
	}
	return append(out, line+end...)
}

// assignment is a variable and where the value lies, without its quotes.
type assignment struct {
	name       string
	start, end int
}

// assignments reads a file: lines that are blank, a comment, or [export] NAME=VALUE. A value in quotes may run over lines; one
// without ends before a blank and a #.
func assignments(text []byte) ([]assignment, error) {
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("it is not UTF-8 text")
	}
	r := &envReader{text: text}
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		r.at = len("\ufeff")
	}
	var out []assignment
	for r.at < len(text) {
		a, err := r.line()
		if err != nil {
			return nil, fmt.Errorf("line %d %w", 1+bytes.Count(text[:r.at], []byte("\n")), err)
		}
		if a.name != "" {
			out = append(out, a)
		}
	}
	return out, nil
}
