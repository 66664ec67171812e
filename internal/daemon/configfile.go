package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// maxConfig bounds a config file, in bytes.
const maxConfig = 1 << 20

// entry is an option as a config file holds it.
type entry struct {
	place  string // file and line
	values []string
}

// readConfig reads a config file: a flat mapping in YAML. What is no option, has another type or stands there twice is refused,
// so that a typo is never silently ignored. Entries are by flag's name.
func readConfig(path string, all []setting) (map[string]entry, error) {
	doc, err := readAtMost(path, maxConfig)
	if err != nil {
		return nil, configError(path, "can't be read: "+reasonOf(err), "check the path and mode of the file that --config names", err)
	}
	var root, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(doc))
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		reason := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: ")
		if n := indentedByTab(doc); n > 0 { // what YAML's reader says of it names neither
			return nil, configError(fmt.Sprintf("%s:%d", path, n), "begins with a tab", "take it away: YAML has no tabs before a name", err)
		}
		return nil, configError(path, "is no YAML: "+reason, "it holds lines such as `listen: 127.0.0.1:7420`", err)
	}
	if !errors.Is(dec.Decode(&more), io.EOF) {
		return nil, configError(path, "holds more than one document", "keep one; --- separates them", nil)
	}
	mapping := root.Content[0]
	if mapping.Kind != yaml.MappingNode {
		if mapping.Tag == "!!null" { // comments alone
			return nil, nil
		}
		return nil, configError(path, "does not hold options by name", "it holds lines such as `listen: 127.0.0.1:7420`", nil)
	}
	entries, lines := map[string]entry{}, map[string]int{}
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, key.Line)
		s, err := named(all, at, key.Value)
		if err != nil {
			return nil, err
		}
		if first, ok := lines[s.name]; ok {
			return nil, configError(at, fmt.Sprintf("sets %s again, which line %d has set", s.key(), first), "keep one of the two", nil)
		}
		values, err := s.read(at, value)
		if err != nil {
			return nil, err
		}
		lines[s.name], entries[s.name] = key.Line, entry{"file " + at, values}
	}
	return entries, nil
}

// indentedByTab is the number of the first line that begins with a tab, after spaces or not; 0: there is none.
func indentedByTab(doc []byte) int {
	n := 0
	for line := range bytes.Lines(doc) {
		n++
		if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")) {
			return n
		}
	}
	return 0
}

// named finds the option that a config file calls name.
func named(all []setting, at, name string) (setting, error) {
	var known []string
	for _, s := range all {
		if s.flagOnly {
			if s.key() == name {
				return s, configError(at, fmt.Sprintf("sets %s, which a file can't set", name), "use the flag --"+s.name, nil)
			}
			continue
		}
		if s.key() == name {
			return s, nil
		}
		known = append(known, s.key())
	}
	hint := "a file may set: " + strings.Join(known, ", ")
	if plain := strings.ReplaceAll(name, "-", "_"); slices.Contains(known, plain) {
		hint = "write it as " + plain
	}
	return setting{}, configError(at, fmt.Sprintf("sets %s, which is no option", cliutil.Quoted(name)), hint, nil)
}

// read returns the values of an option's node, which must be of its type.
func (s setting) read(at string, node *yaml.Node) ([]string, error) {
	wrong := func(want string) error {
		return configError(at, fmt.Sprintf("sets %s, which takes %s", s.key(), want), "see `keyfobd serve --print-config` for its form", nil)
	}
	switch s.field.(type) {
	case *bool:
		if node.Kind != yaml.ScalarNode || node.Tag != "!!bool" {
			return nil, wrong("true or false")
		}
	case *[]string:
		if node.Kind != yaml.SequenceNode {
			break // one text is a list of one
		}
		values := []string{}
		for _, element := range node.Content {
			if element.Kind != yaml.ScalarNode || element.Tag != "!!str" {
				return nil, wrong("a list of texts")
			}
			values = append(values, element.Value)
		}
		return values, nil
	}
	if _, boolean := s.field.(*bool); !boolean && (node.Kind != yaml.ScalarNode || node.Tag != "!!str") {
		return nil, wrong("a text, in quotes if need be")
	}
	return []string{node.Value}, nil
}

func configError(at, what, hint string, err error) error {
	return &cliutil.Error{
		Code: "config-invalid", Exit: cliutil.ExitUsage, Err: err, Hint: hint,
		Message: fmt.Sprintf("the config file %s %s", cliutil.Printable(at), cliutil.Printable(what)),
	}
}

// reasonOf is an error without the path that a message names already.
func reasonOf(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err.Error()
	}
	return err.Error()
}

// readAtMost reads a regular file of at most so many bytes.
func readAtMost(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Size() > most:
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return os.ReadFile(path)
}
