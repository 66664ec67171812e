package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/atomicfile"
)

// SetOption writes an option into the config file. Only the option's own value changes, or a line is added at the end: every
// other byte of the file stays, and a file in which that can't be done is left alone.
func SetOption(dir, name, value string) error {
	if err := checkOption(name, value); err != nil {
		return err
	}
	path := filepath.Join(dir, configFile)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the file behind a link is what changes, not the link
	}
	before, err := os.ReadFile(path)
	mode := fs.FileMode(0o600)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Error{Msg: fmt.Sprintf("the config file %s can't be read: %s", path, oneLine(err)), err: err}
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	after, err := splice(before, name, value)
	if err != nil {
		return &Error{
			Msg:  fmt.Sprintf("the config file %s can't be changed: %s", path, err),
			Hint: fmt.Sprintf("write `%s: %s` into it yourself", name, value), err: err,
		}
	}
	if err := ensureDir(filepath.Dir(path)); err != nil {
		return err
	}
	return writeFile(path, after, mode)
}

func writeFile(path string, doc []byte, mode fs.FileMode) error {
	if err := atomicfile.Write(path, doc, mode); err != nil {
		return &Error{Msg: fmt.Sprintf("%s can't be written: %s", path, oneLine(err)), Hint: "set KEYFOB_CONFIG_DIR to a folder you can write", err: err}
	}
	return nil
}

// checkOption refuses what a file can't set and values that would be refused when they are read.
func checkOption(name, value string) error {
	i := slices.IndexFunc(Options(), func(o Option) bool { return o.Name == name })
	if i < 0 || !Options()[i].File {
		e := &Error{Usage: true, Msg: fmt.Sprintf("%q can't be set", name), Hint: "set one of: " + strings.Join(fileOptions(), ", ")}
		if name == OptOrg || name == OptURL {
			e.Msg = fmt.Sprintf("%q belongs to a context and can't be set in a file", name)
			e.Hint = map[string]string{OptOrg: "use `keyfob org use SLUG`", OptURL: "use `keyfob auth login --url URL`"}[name]
		}
		return e
	}
	if name == OptContext {
		return CheckName(value)
	}
	if err := Options()[i].check(name, value); err != nil {
		return asUsage(err)
	}
	return nil
}

// splice returns the document with the one value changed or added. What it wrote is parsed again and compared.
func splice(doc []byte, name, value string) ([]byte, error) {
	old, node, err := parse(doc)
	if err != nil {
		return nil, err
	}
	scalar, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(scalar), "\n")
	if i := slices.Index([]string{"true", "false"}, value); i >= 0 {
		text = value
	}
	after := appendLine(doc, name+": "+text)
	if node[name] != nil {
		if after, err = replace(doc, node[name], text); err != nil {
			return nil, err
		}
	}
	want := maps.Clone(old)
	want[name] = value
	got, _, err := parse(after)
	if err != nil || !maps.Equal(got, want) {
		return nil, errors.New("its layout is one that only a person can change")
	}
	return after, nil
}

// parse returns the values of a flat mapping of scalars, and where each stands.
func parse(doc []byte) (map[string]string, map[string]*yaml.Node, error) {
	values, nodes := map[string]string{}, map[string]*yaml.Node{}
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(doc))
	if err := decoder.Decode(&root); err != nil {
		if len(bytes.TrimSpace(doc)) == 0 || root.IsZero() && err.Error() == "EOF" { // nothing but comments
			return values, nodes, nil
		}
		return nil, nil, errors.New("it is not valid YAML: " + oneLine(err))
	}
	if decoder.Decode(&yaml.Node{}) == nil {
		return nil, nil, errors.New("it holds more than one document")
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode || top.Style == yaml.FlowStyle {
		return nil, nil, errors.New("it is not a list of `name: value` lines")
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i].Value, top.Content[i+1]
		if _, twice := nodes[key]; twice || value.Kind != yaml.ScalarNode {
			return nil, nil, fmt.Errorf("%q is given twice or is no plain value", key)
		}
		values[key], nodes[key] = value.Value, value
	}
	return values, nodes, nil
}

// replace puts text where a scalar stands, which must begin and end on one line.
func replace(doc []byte, at *yaml.Node, text string) ([]byte, error) {
	lines := bytes.SplitAfter(doc, []byte("\n"))
	if at.Line < 1 || at.Line > len(lines) {
		return nil, errors.New("the value was not found")
	}
	line := []rune(string(lines[at.Line-1])) // columns count characters
	start := at.Column - 1
	if at.Anchor != "" || at.Tag != "" && at.Style&yaml.TaggedStyle != 0 || start > len(line) {
		return nil, errors.New("the value has an anchor or a tag")
	}
	rest := string(line[start:])
	end := scalarEnd(rest, at)
	changed := string(line[:start]) + text + rest[end:]
	lines[at.Line-1] = []byte(changed)
	return bytes.Join(lines, nil), nil
}

// scalarEnd is where the scalar that begins a line's rest ends; a wrong guess is found out by parsing again.
func scalarEnd(rest string, at *yaml.Node) int {
	value, _, _ := strings.Cut(rest, " #")
	if at.Style == yaml.DoubleQuotedStyle || at.Style == yaml.SingleQuotedStyle {
		if end := strings.LastIndexByte(value, rest[0]); end > 0 {
			return end + 1
		}
	}
	return len(strings.TrimRight(value, " \t\r\n"))
}

// appendLine adds a line with the line ends that the document has.
func appendLine(doc []byte, line string) []byte {
	end := "\n"
	if bytes.Contains(doc, []byte("\r\n")) {
		end = "\r\n"
	}
	out := bytes.Clone(doc)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, end...)
	}
	return append(out, line+end...)
}
