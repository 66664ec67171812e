package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

type yamlDoc struct {
	target
	yamlText
	root *yaml.Node // nil: there is no document

	// chain is the containers from the root on that are written as blocks, the list of servers among them, and at the index in
	// each that leads on: of a key, or of an element.
	chain []*yaml.Node
	at    []int
	tip   *yaml.Node // what at leads to last, where it is no block: a flow, null, or the entry
	flows bool       // tip is a flow mapping or sequence that has the list of servers in it, or is it
	trail trail      // within it
	rest  target     // the place, from it on
}

func yamlFlow() flow {
	return flow{hash: true, flat: true, spaced: true, sep: ": ", name: quoteYAML, quote: quoteYAML}
}

// quoteYAML leaves a word plain that every version of YAML reads as a string, and quotes all else.
func quoteYAML(s string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	words := []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
	plain := s != "" && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+"0123456789_-./") == "" &&
		!slices.Contains(words, strings.ToLower(s))
	if plain {
		return s
	}
	return quoteJSON(s)
}

func readYAML(data []byte, to target) (document, error) {
	root, err := scanYAML(data)
	if err != nil {
		return nil, err
	}
	if i := loneCR(data); i >= 0 {
		return nil, errAt(ErrShape, data, i, "a line that ends in CR alone")
	}
	d := &yamlDoc{target: to, yamlText: newYAMLText(data), root: root}
	if root == nil || empty(root) {
		d.root = nil
		return d, nil
	}
	if err := d.follow(); err != nil {
		return nil, err
	}
	return d, d.checkShared()
}

func loneCR(data []byte) int {
	for i, c := range data {
		if c == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			return i
		}
	}
	return -1
}

// empty says that nothing stands where a node could.
func empty(n *yaml.Node) bool {
	return isNull(n) && n.Value == "" && n.Anchor == "" && n.Style == 0
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func isFlow(n *yaml.Node) bool {
	return (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) && n.Style&yaml.FlowStyle != 0
}

// follow goes down the place to the entry, as far as it is there.
func (d *yamlDoc) follow() error {
	n := d.root
	for level := 0; level <= len(d.Path); level++ {
		kind := yaml.MappingNode
		if level == len(d.Path) && d.Key != "" {
			kind = yaml.SequenceNode
		}
		d.tip = n
		switch {
		case isFlow(n):
			return d.followFlow(n, level)
		case isNull(n) && level > 0:
			return nil
		case n.Kind != kind:
			return d.wrongNode(n, kind, level)
		}
		d.chain = append(d.chain, n)
		d.tip = nil
		name := d.name
		if level < len(d.Path) {
			name = d.Path[level]
		} else if d.all {
			return nil
		}
		i, err := d.find(n, name)
		if err != nil || i < 0 {
			return err
		}
		d.at = append(d.at, i)
		if n = n.Content[i]; kind == yaml.MappingNode {
			n = d.chain[level].Content[i+1]
		}
	}
	d.tip = n
	return nil
}

func (d *yamlDoc) followFlow(n *yaml.Node, level int) error {
	root, err := d.flow(n)
	if err != nil {
		return err
	}
	d.flows = true
	d.rest = d.target
	d.rest.Place = Place{Path: d.Path[level:], Key: d.Key}
	d.rest.above = d.Path[:level]
	d.trail, err = yamlFlow().find(d.data, root, d.rest)
	return err
}

func (d *yamlDoc) wrongNode(n *yaml.Node, want yaml.Kind, level int) error {
	kinds := map[yaml.Kind]byte{yaml.MappingNode: '{', yaml.SequenceNode: '['}
	if n.Kind == yaml.AliasNode {
		return errAt(ErrShape, d.data, d.offset(n), "an alias stands where the servers should, and they would change elsewhere too")
	}
	is := node{kind: kinds[n.Kind], start: d.offset(n)}
	if n.Kind == yaml.ScalarNode {
		is.kind = scalarKind(decodeYAML(n))
	}
	return d.wrongKind(d.data, is, kinds[want], level)
}

// find is the index of the key, or of the element, of a name in a block. It returns -1 for none.
func (d *yamlDoc) find(n *yaml.Node, name string) (int, error) {
	found := -1
	for i := 0; i < len(n.Content); i++ {
		is := n.Content[i].Value == name && n.Content[i].Kind == yaml.ScalarNode
		at := n.Content[i]
		if n.Kind == yaml.MappingNode {
			i++
		} else {
			m, _ := decodeYAML(at).(map[string]any)
			is = m[d.Key] == any(name)
		}
		switch {
		case !is:
		case found >= 0:
			return -1, errTwice(d.data, name, d.offset(n.Content[found]), d.offset(at))
		case n.Kind == yaml.MappingNode:
			found = i - 1
		default:
			found = i
		}
	}
	return found, nil
}

// there says that the entry is there, and not within a flow mapping.
func (d *yamlDoc) there() bool { return len(d.at) > len(d.Path) }

func (d *yamlDoc) hosted() bool { return d.flows && len(d.trail.at) > len(d.rest.Path) }

func (d *yamlDoc) hostItem() item { return d.trail.end().items[d.trail.at[len(d.rest.Path)]] }

func (d *yamlDoc) entry() (any, bool, error) {
	switch {
	case d.hosted():
		return yamlFlow().decode(d.data, d.hostItem().value), true, nil
	case d.there():
		return decodeYAML(d.tip), true, nil
	default:
		return nil, false, nil
	}
}

func (d *yamlDoc) entries() ([]Entry, error) {
	if d.flows {
		if len(d.trail.nodes) <= len(d.rest.Path) {
			return nil, nil
		}
		return yamlFlow().list(d.data, d.trail.end(), d.Key), nil
	}
	if len(d.chain) <= len(d.Path) {
		return nil, nil
	}
	var list []Entry
	n := d.chain[len(d.Path)]
	for i := 0; i < len(n.Content); i++ {
		e := Entry{Name: n.Content[i].Value, Line: n.Content[i].Line}
		if d.Key == "" {
			i++
			e.Value = decodeYAML(n.Content[i])
			if e.Name == "<<" && n.Content[i-1].Tag == "!!merge" {
				continue
			}
		} else {
			e.Value = decodeYAML(n.Content[i])
			m, _ := e.Value.(map[string]any)
			e.Name, _ = m[d.Key].(string)
		}
		list = append(list, e)
	}
	return list, nil
}
