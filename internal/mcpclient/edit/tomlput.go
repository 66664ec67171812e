package edit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

func (d *tomlDoc) put(entry Object) ([]byte, Trace, bool, error) {
	fl := tomlFlow()
	switch {
	case d.hosted():
		list, err := fl.update(d.data, d.hostItem(), entry, "")
		return apply(d.data, list), Trace{}, false, err
	case d.host >= 0:
		rest := d.target
		rest.Place = d.rest
		list, trace := fl.append(d.data, d.trail, rest, entry, "  ")
		return apply(d.data, list), trace, true, nil
	case d.mine != nil:
		list, err := d.update(entry)
		return apply(d.data, list), Trace{}, false, err
	default:
		out, trace := d.add(entry)
		return out, trace, true, nil
	}
}

// add writes a table at the end of the text.
func (d *tomlDoc) add(entry Object) ([]byte, Trace) {
	nl := newline(d.data)
	head := "[" + dotted(append(slices.Clip(d.Path), d.name)) + "]"
	if d.Key != "" {
		head = "[[" + dotted(d.Path) + "]]"
	}
	fl := tomlFlow()
	st := style{nl: nl, sep: fl.sep, comma: " ", pad: " "}
	text := strings.Join(append([]string{head}, fl.members(entry, st)...), nl)
	var trace Trace
	switch {
	case blank(d.data) && len(d.data) <= maxWas:
		trace = Trace{After: nl, Was: string(d.data)}
		return []byte(text + nl), trace
	case bytes.HasSuffix(d.data, []byte("\n\n")) || bytes.HasSuffix(d.data, []byte("\n\r\n")):
		trace.After = nl
	case bytes.HasSuffix(d.data, []byte("\n")):
		trace.Before, trace.After = nl, nl
	default:
		trace.Before = nl + nl
	}
	return slices.Concat(d.data, []byte(trace.Before+text+trace.After)), trace
}

// An adder collects what is to be set, and which keys are missing.
type adder struct {
	*tomlDoc
	list    []splice
	missing []line
}

// A line is a key that is to be added, with where.
type line struct {
	after int // the statement to put it behind; -1: the entry has no place for keys of its own yet
	text  string
}

// update sets the fields of an entry that is there.
func (d *tomlDoc) update(entry Object) ([]splice, error) {
	first := d.list[d.mine[0]]
	if len(first.path) == d.base && (first.kind == unstable.KeyValue || first.kind == unstable.ArrayTable && d.Key == "") {
		return tomlFlow().update(d.data, d.item(first), entry, "")
	}
	a := &adder{tomlDoc: d}
	if err := a.set(nil, entry); err != nil {
		return nil, err
	}
	nl := newline(d.data)
	var heading []string
	for _, l := range a.missing {
		if l.after < 0 {
			heading = append(heading, l.text)
			continue
		}
		s := d.list[l.after]
		off := lineEnd(d.data, s.end)
		a.list = append(a.list, splice{off, off, nl + indentAt(d.data, s.start) + l.text})
	}
	if heading != nil {
		off := lineStart(d.data, first.start)
		head := "[" + dotted(first.path[:d.base]) + "]" + nl
		a.list = append(a.list, splice{off, off, head + strings.Join(heading, nl) + nl + nl})
	}
	return a.list, nil
}

// item is a statement as the item of a list. An array of tables passes for its header, which is a list too.
func (d *tomlDoc) item(s stmt) item {
	it := item{name: s.path[len(s.path)-1], start: s.start, colon: s.colon, comma: -1}
	if s.kind == unstable.KeyValue {
		it.value = scanValue(d.data, s.value)
	} else {
		it.value = node{kind: '[', start: s.start, end: s.end}
	}
	return it
}

// set sets the fields of the table at path within the entry.
func (a *adder) set(path []string, o Object) error {
	for _, f := range o {
		at := append(slices.Clip(path), f.Name)
		exact, within := a.find(at)
		sub, isObject := f.Value.(Object)
		switch {
		case exact >= 0 && a.list0(exact).kind == unstable.KeyValue:
			it := a.item(a.list0(exact))
			if isObject && it.value.kind == '{' {
				more, err := tomlFlow().update(a.data, it, sub, "")
				if err != nil {
					return err
				}
				a.list = append(a.list, more...)
			} else if !equal(tomlFlow().decode(a.data, it.value), f.Value) {
				a.list = append(a.list, tomlFlow().set(it, f.Value, a.style()))
			}
		case within && (!isObject || exact >= 0 && a.list0(exact).kind == unstable.ArrayTable):
			s := a.tomlDoc.list[a.first(at)]
			return errAt(ErrShape, a.data, s.start, "%q is a table or a list of them, and should be a value", dotted(s.path[:a.base+len(at)]))
		case within:
			if err := a.set(at, sub); err != nil {
				return err
			}
		default:
			a.miss(at, f.Value)
		}
	}
	return nil
}

func (a *adder) list0(i int) stmt { return a.tomlDoc.list[i] }

func (a *adder) style() style {
	return style{nl: newline(a.data), sep: " = ", comma: " ", pad: " "}
}

// find looks for the statement of a path within the entry; within says that there is one for it or below it.
func (a *adder) find(path []string) (exact int, within bool) {
	exact = -1
	for _, i := range a.mine {
		if p := a.list0(i).path[a.base:]; hasPrefix(p, path) {
			within = true
			if len(p) == len(path) {
				exact = i
			}
		}
	}
	return exact, within
}

func (a *adder) first(path []string) int {
	i := slices.IndexFunc(a.mine, func(i int) bool { return hasPrefix(a.list0(i).path[a.base:], path) })
	return a.mine[i]
}

// miss finds where a key that is missing goes: behind the last key of the innermost table that is there, or else behind the
// last that is written with dots.
func (a *adder) miss(path []string, v any) {
	after, depth, key := -1, -1, path
	for _, i := range a.mine {
		s := a.list0(i)
		head := s.path[:len(s.path)-s.key]
		if s.kind != unstable.KeyValue {
			head = s.path
		}
		if len(head) < a.base || !hasPrefix(path, head[a.base:]) || len(head)-a.base < depth || len(head)-a.base >= len(path) {
			continue
		}
		after, depth = i, len(head)-a.base
		key = path[depth:]
	}
	if after < 0 {
		for _, i := range a.mine {
			if s := a.list0(i); s.kind == unstable.KeyValue && len(s.path)-s.key < a.base {
				after = i
				key = append(slices.Clone(s.path[len(s.path)-s.key:a.base]), path...)
			}
		}
	}
	a.missing = append(a.missing, line{after, dotted(key) + " = " + tomlFlow().text(v, a.style())})
}
