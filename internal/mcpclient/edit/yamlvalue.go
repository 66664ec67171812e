package edit

import (
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxAliases bounds what aliases may blow a value up to.
const maxAliases = 10_000

// decodeYAML is the value of a node, with aliases and merge keys resolved.
func decodeYAML(n *yaml.Node) any {
	budget := maxAliases
	return decodeNode(n, &budget, 0)
}

// decodeNode counts nodes below an alias against the budget and stops where it is used up or the alias leads in a circle.
func decodeNode(n *yaml.Node, budget *int, aliases int) any {
	if aliases > 0 {
		if *budget--; *budget < 0 || aliases > 100 {
			return nil
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		return decodeNode(n.Alias, budget, aliases+1)
	case yaml.ScalarNode:
		return decodeScalar(n)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = decodeNode(c, budget, aliases)
		}
		return list
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Tag == "!!merge" {
				merge(m, decodeNode(n.Content[i+1], budget, aliases))
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Tag != "!!merge" {
				m[n.Content[i].Value] = decodeNode(n.Content[i+1], budget, aliases)
			}
		}
		return m
	default:
		return nil
	}
}

func merge(m map[string]any, from any) {
	switch from := from.(type) {
	case map[string]any:
		for k, v := range from {
			if _, ok := m[k]; !ok {
				m[k] = v
			}
		}
	case []any:
		for _, f := range from {
			merge(m, f)
		}
	}
}

func decodeScalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsNaN(f) {
			return f
		}
	}
	return n.Value
}
