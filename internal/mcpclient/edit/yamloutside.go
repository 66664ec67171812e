package edit

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// checkShared refuses an edit that would show elsewhere too: where a container on the way, or something in the entry, is used
// again by an alias.
func (d *yamlDoc) checkShared() error {
	var own []*yaml.Node
	if d.there() {
		own = []*yaml.Node{d.tip}
	}
	shared := map[*yaml.Node]bool{}
	aliases(d.root, own, shared)
	if len(shared) == 0 {
		return nil
	}
	var check func(n *yaml.Node, deep bool) error
	check = func(n *yaml.Node, deep bool) error {
		if shared[n] {
			return errAt(ErrShape, d.data, d.offset(n), "what the anchor here names is used elsewhere too")
		}
		if deep {
			for _, c := range n.Content {
				if err := check(c, true); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, n := range d.chain {
		if err := check(n, false); err != nil {
			return err
		}
	}
	if d.tip != nil && !d.all {
		return check(d.tip, d.there() || d.flows)
	}
	return nil
}

// aliases collects what aliases outside of own stand for.
func aliases(n *yaml.Node, own []*yaml.Node, shared map[*yaml.Node]bool) {
	if slices.Contains(own, n) {
		return
	}
	if n.Alias != nil {
		shared[n.Alias] = true
	}
	for _, c := range n.Content {
		aliases(c, own, shared)
	}
}

func (d *yamlDoc) outside(sum *digest) {
	if d.root != nil {
		d.beside(sum, d.root, 0)
	}
}

// beside sums up what stands beside the way to the entry, from a level on. A container on the way is no more than what it
// holds.
func (d *yamlDoc) beside(sum *digest, n *yaml.Node, level int) {
	switch {
	case d.flows && n == d.tip:
		d.trail.outside(sum, d.data, 0)
		return
	case isNull(n) && n == d.tip:
		return
	}
	for i, c := range n.Content {
		switch {
		case level >= len(d.at) || i != d.at[level] && (n.Kind != yaml.MappingNode || i != d.at[level]+1):
			flatten(sum, c)
		case level < len(d.Path) && i == d.at[level]+1 && !d.bare(c, level+1):
			sum.addString("in")
			d.beside(sum, c, level+1)
			sum.addString("out")
		}
	}
}

// bare says that nothing stands beside the way to the entry, from a level on.
func (d *yamlDoc) bare(n *yaml.Node, level int) bool {
	switch {
	case d.flows && n == d.tip:
		return d.trail.bare(0)
	case isNull(n):
		return n == d.tip
	case level >= len(d.at):
		return len(n.Content) == 0
	case n.Kind == yaml.SequenceNode:
		return len(n.Content) == 1
	default:
		return len(n.Content) == 2 && (level == len(d.Path) || d.bare(n.Content[1], level+1))
	}
}

func flatten(sum *digest, n *yaml.Node) {
	kinds := [...]string{yaml.MappingNode: "{", yaml.SequenceNode: "[", yaml.ScalarNode: "'", yaml.AliasNode: "*"}
	sum.addString(kinds[n.Kind])
	for _, part := range []string{n.Tag, n.Anchor, n.Value} {
		sum.addString(part)
	}
	for _, c := range n.Content {
		flatten(sum, c)
	}
	sum.addString("end")
}
