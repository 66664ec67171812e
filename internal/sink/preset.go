package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/keyfob/keyfob/pkg/secret"
)

// args are arguments in groups. A part of the place stands in braces; a group with one that was left out is left out as a whole.
type args [][]string

// preset is a vendor's program and how it is driven.
type preset struct {
	name, form, help string
	program          string
	place            string // regular expression of what stands after the colon, a named group for each part
	derive           func(parts map[string]string)
	put              args // gets the secret on stdin
	get              args // prints what lies there; nil: it can't be read back
	old              args // prints the document that edit changes for put's stdin
	// What stdin holds, and what stdout; nil: the secret and nothing else.
	stdin func(parts map[string]string, s secret.Secret) string
	edit  func(old string, parts map[string]string, s secret.Secret) (string, error)
	value func(stdout string) (string, error)
	fix   string // what makes a place that get does not find
}

func (p preset) kind() Kind {
	return Kind{Name: p.name, Form: p.form, Help: p.help, ReadsBack: p.get != nil, Program: p.program, parse: p.parse}
}

func (p preset) parse(rest string, sys System) (Sink, error) {
	match := regexp.MustCompile(`^` + p.place + `$`)
	found := match.FindStringSubmatch(rest)
	pasted := regexp.MustCompile(`kfs?_[0-9A-Za-z]{38}`).MatchString(rest)
	if found == nil || len(rest) > maxPlace || pasted {
		return nil, &Error{Sink: shown(p.name + ":" + rest), Reason: "this is no place for " + p.help, Hint: "write it as " + p.form, Usage: true}
	}
	parts := map[string]string{}
	for i, name := range match.SubexpNames() {
		if name != "" {
			parts[name] = found[i]
		}
	}
	if p.derive != nil {
		p.derive(parts)
	}
	v := vendor{preset: p, full: p.name + ":" + rest, parts: parts, environ: sys.Environ, limit: ProgramTimeout}
	if p.get == nil {
		return v, nil
	}
	return readableVendor{v}, nil
}

const maxPlace = 200 // characters, so that a receipt can name it

// vendor is a place that a vendor's program writes to.
type vendor struct {
	preset

	full    string
	parts   map[string]string
	environ func() []string
	limit   time.Duration
}

// readableVendor is one that the program also reads.
type readableVendor struct{ vendor }

func (v vendor) Name() string { return v.full }

// Ready says whether the program is there.
func (v vendor) Ready(context.Context) error {
	_, err := lookPath(v.full, v.program)
	return err
}

func (v vendor) call(a args) call {
	return call{sink: v.full, argv: append([]string{v.program}, a.fill(v.parts)...), environ: v.environ, limit: v.limit}
}

// Put gives the program the secret on its stdin.
func (v vendor) Put(ctx context.Context, s secret.Secret) error {
	c := v.call(v.put)
	c.secret = s
	switch {
	case v.edit != nil:
		was := v.call(v.old)
		was.answers = true
		text, err := was.run(ctx)
		if err != nil {
			return err
		}
		if c.stdin, err = v.edit(text, v.parts, s); err != nil {
			return &Error{Sink: v.full, Reason: err.Error(), Hint: v.remedy(), err: err}
		}
	case v.stdin != nil:
		c.stdin = v.stdin(v.parts, s)
	default:
		c.stdin = s.Reveal()
	}
	_, err := c.run(ctx)
	return err
}

func (v vendor) remedy() string { return fill(v.fix, v.parts) }

// Ready also says whether what lies there can be read: a place that can't would be found out when the secret is on its way.
func (v readableVendor) Ready(ctx context.Context) error {
	if err := v.vendor.Ready(ctx); err != nil {
		return err
	}
	_, err := v.Get(ctx)
	return err
}

// Get has the program print what lies there.
func (v readableVendor) Get(ctx context.Context) (string, error) {
	c := v.call(v.get)
	c.answers = true
	text, err := c.run(ctx)
	if e, ok := errors.AsType[*Error](err); ok && e.Hint == "" {
		e.Hint = v.remedy()
	}
	if err != nil {
		return "", err
	}
	if v.value == nil {
		return strings.TrimRight(text, "\r\n"), nil
	}
	if text, err = v.value(text); err != nil {
		return "", &Error{Sink: v.full, Reason: "its program printed something else than was asked for", Hint: v.remedy(), err: err}
	}
	return text, nil
}

func (a args) fill(parts map[string]string) []string {
	var out []string
	for _, group := range a {
		if slices.ContainsFunc(group, func(arg string) bool { return leftOut(arg, parts) }) {
			continue
		}
		for _, arg := range group {
			out = append(out, fill(arg, parts))
		}
	}
	return out
}

func leftOut(arg string, parts map[string]string) bool {
	for name, part := range parts {
		if part == "" && strings.Contains(arg, "{"+name+"}") {
			return true
		}
	}
	return false
}

// fill puts the parts in, each once: what is put in is not looked at again.
func fill(arg string, parts map[string]string) string {
	var pairs []string
	for name, part := range parts {
		pairs = append(pairs, "{"+name+"}", part)
	}
	return strings.NewReplacer(pairs...).Replace(arg)
}

var (
	errOpLogin  = errors.New("it is a login, and its program loses the passkeys of logins that are edited")
	errOpFields = errors.New("the item does not have that field just once")
)

// opItem changes one field in an item of 1Password's program.
func opItem(old string, parts map[string]string, s secret.Secret) (string, error) {
	var item map[string]any
	d := json.NewDecoder(strings.NewReader(old))
	d.UseNumber()
	if err := d.Decode(&item); err != nil {
		return "", errors.New("its program printed no item")
	}
	if item["category"] == "LOGIN" {
		return "", errOpLogin
	}
	fields, _ := item["fields"].([]any)
	found := 0
	for _, f := range fields {
		field, ok := f.(map[string]any)
		if ok && (field["id"] == parts["field"] || field["label"] == parts["field"]) {
			field["value"] = s.Reveal()
			found++
		}
	}
	if found != 1 {
		return "", errOpFields
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(item)
	return out.String(), err
}
