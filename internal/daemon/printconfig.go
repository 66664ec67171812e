package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// printConfig writes the options in force as a config file, with where each came from; as JSON with o.JSON.
func printConfig(o *ServeOptions) error {
	root := &yaml.Node{Kind: yaml.MappingNode}
	type shown struct {
		Value  any    `json:"value"`
		Origin string `json:"origin"`
	}
	all := map[string]shown{}
	for _, s := range settings(o) {
		if s.flagOnly {
			continue
		}
		value, node := s.value()
		node.LineComment = cliutil.Printable(o.Origins[s.name])
		root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: s.key()}, node)
		all[s.key()] = shown{value, o.Origins[s.name]}
	}
	var out strings.Builder
	if o.JSON {
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"config": all}); err != nil {
			return fmt.Errorf("print the options: %w", err)
		}
	} else {
		enc := yaml.NewEncoder(&out)
		if err := enc.Encode(root); err != nil {
			return fmt.Errorf("print the options: %w", err)
		}
	}
	if _, err := io.WriteString(o.Out, out.String()); err != nil {
		return fmt.Errorf("print the options: %w", err)
	}
	return nil
}

// value is what the option holds, as itself and as a node of YAML.
func (s setting) value() (any, *yaml.Node) {
	text := func(value string) *yaml.Node {
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
		if strings.ContainsAny(value, "\r\n") {
			n.Style = yaml.DoubleQuotedStyle // on one line, so that the comment has its place
		}
		return n
	}
	switch field := s.field.(type) {
	case *bool:
		return *field, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(*field)}
	case *[]string:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, value := range *field {
			list.Content = append(list.Content, text(value))
		}
		return append([]string{}, *field...), list
	case *string:
		return *field, text(*field)
	}
	return nil, &yaml.Node{}
}
