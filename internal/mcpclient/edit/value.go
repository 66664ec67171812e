package edit

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

func (o Object) get(name string) (any, bool) {
	for _, f := range o {
		if f.Name == name {
			return f.Value, true
		}
	}
	return nil, false
}

// has says that the object sets the value at path, or something below it.
func (o Object) has(path []string) bool {
	v, ok := o.get(path[0])
	if !ok || len(path) == 1 {
		return ok
	}
	sub, ok := v.(Object)
	return ok && sub.has(path[1:])
}

// named puts the field that holds an entry's name ahead of the others.
func named(o Object, key, name string) (Object, error) {
	switch v, ok := o.get(key); {
	case !ok:
		return slices.Concat(Object{{Name: key, Value: name}}, o), nil
	case v != name:
		return nil, &Error{Kind: ErrShape, Reason: fmt.Sprintf("the entry's own %q is not its name", key)}
	default:
		return o, nil
	}
}

// check refuses an entry that no format could write or read back, and gives an entry of a list its name.
func (to target) check(entry Object) (Object, error) {
	if err := checkObject(entry, 0); err != nil || to.Key == "" {
		return entry, err
	}
	return named(entry, to.Key, to.name)
}

// checkObject refuses what no format could write or read back.
func checkObject(o Object, depth int) error {
	for i, f := range o {
		if !utf8.ValidString(f.Name) {
			return &Error{Kind: ErrEncoding, Reason: "a field's name is not valid UTF-8"}
		}
		if slices.ContainsFunc(o[:i], func(g Field) bool { return g.Name == f.Name }) {
			return &Error{Kind: ErrShape, Reason: fmt.Sprintf("field %q is given twice", f.Name)}
		}
		if err := checkValue(f.Name, f.Value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func checkValue(name string, v any, depth int) error {
	if depth > 20 {
		return &Error{Kind: ErrShape, Reason: fmt.Sprintf("field %q nests too deep", name)}
	}
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return &Error{Kind: ErrEncoding, Reason: fmt.Sprintf("field %q is not valid UTF-8", name)}
		}
	case bool, int:
	case Object:
		return checkObject(v, depth)
	case []any:
		for _, e := range v {
			if err := checkValue(name, e, depth+1); err != nil {
				return err
			}
		}
	default:
		return &Error{Kind: ErrShape, Reason: fmt.Sprintf("field %q is a %T, which no file can hold", name, v)}
	}
	return nil
}

// holds says that a decoded value has what is wanted: equal, but for further fields in mappings.
func holds(got, want any) bool {
	switch want := want.(type) {
	case Object:
		m, ok := got.(map[string]any)
		if !ok {
			return false
		}
		for _, f := range want {
			if v, ok := m[f.Name]; !ok || !holds(v, f.Value) {
				return false
			}
		}
		return true
	default:
		return equal(got, want)
	}
}

// equal compares a decoded value with one that is to be written.
func equal(got, want any) bool {
	switch want := want.(type) {
	case int:
		n, ok := got.(int64)
		return ok && n == int64(want)
	case Object:
		m, ok := got.(map[string]any)
		return ok && len(m) == len(want) && holds(got, want)
	case []any:
		list, ok := got.([]any)
		return ok && slices.EqualFunc(list, want, equal)
	default: // string, bool
		switch got.(type) {
		case string, bool:
			return got == want
		}
		return false
	}
}
