package edit_test

import (
	"strconv"
	"strings"
)

// yamlScalar is a value that stands behind its key; indent is that of its further lines.
func (g *gen) yamlScalar(indent string) string {
	line := g.nl + indent
	return g.pick("1", "12345678901234567890", "0o17", "1e3", "yes", "~", "", "plain", "plain"+line+"more # c", `"a: # b"`, `'it''s'`,
		`"two`+line+`lines \" x"`, "|"+line+"mcp:"+line+"  ours: {}", "|+"+line+"x"+g.nl+g.nl, ">-"+line+"folded"+line+"# text", "|2-"+line+" x", "[a, {b: c}]",
		"{a: 1,"+line+"b: [x, 'y' ]}", "!!str 5", "https://z.test/a:b", "!t"+line+"x")
}

func (g *gen) yamlNoise(b *strings.Builder, indent string) {
	if g.chance(5) {
		b.WriteString(g.pick(indent+"# comment", "# far left", "", "   ") + g.nl)
	}
}

func (g *gen) yamlKey() string {
	n := g.name()
	return g.pick(n, n, n, `"`+n+`"`, "'"+n+"'", n+" b")
}

func (g *gen) yamlMap(b *strings.Builder, indent, unit string, depth, n int) {
	for range n {
		g.yamlNoise(b, indent)
		b.WriteString(indent + g.yamlKey() + ":")
		inner := indent + unit
		switch {
		case depth > 0 && g.chance(3):
			b.WriteString(g.pick("", " # c", " &anchor"+strconv.Itoa(g.n)) + g.nl)
			g.yamlMap(b, inner, unit, depth-1, 1+g.below(2))
		case depth > 0 && g.chance(5):
			b.WriteString(g.nl)
			g.yamlList(b, indent+g.pick("", unit), unit, depth-1)
		default:
			g.yamlValue(b, inner+" ")
		}
	}
}

func (g *gen) yamlValue(b *strings.Builder, indent string) {
	v := g.yamlScalar(indent)
	if v != "" {
		b.WriteString(" ")
	}
	b.WriteString(v)
	if !strings.Contains(v, "\n") && g.chance(5) {
		b.WriteString(" # after")
	}
	if !strings.HasSuffix(v, g.nl) {
		b.WriteString(g.nl)
	}
}

func (g *gen) yamlList(b *strings.Builder, indent, unit string, depth int) {
	for range 1 + g.below(3) {
		g.yamlNoise(b, indent)
		if g.chance(2) {
			b.WriteString(indent + "- " + g.yamlKey() + ": 1" + g.nl)
			g.yamlMap(b, indent+"  ", unit, depth-1, g.below(2))
		} else {
			b.WriteString(indent + "-")
			g.yamlValue(b, indent+"   ")
		}
	}
}

func (g *gen) yaml(list bool) string {
	var b strings.Builder
	unit := g.pick("  ", "    ", " ")
	if g.chance(6) {
		b.WriteString("# top" + g.nl)
	}
	if g.chance(8) {
		b.WriteString("---" + g.nl)
	}
	if g.chance(12) {
		return b.String() + g.pick("", g.nl)
	}
	if g.chance(4) {
		b.WriteString("base: &base" + g.nl + unit + "t: 1" + g.nl + "use:" + g.nl + unit + "<<: *base" + g.nl)
	}
	g.yamlMap(&b, "", unit, 2, g.below(3))
	g.yamlNoise(&b, "")
	switch g.below(6) {
	case 0:
	case 1:
		b.WriteString("mcp:" + g.pick("", " # c", " null", " ~") + g.nl)
	case 2:
		if list {
			b.WriteString("mcp: " + g.pick("[]", "[ ]", "[] # c", "[{name: a}]", "[{name: a},"+g.nl+unit+"{name: b}]") + g.nl)
		} else {
			b.WriteString("mcp: " + g.pick("{}", "{ } ", "{} # c", "{a: {x: 1}}", "{a: {x: 1}, # c"+g.nl+unit+"}", "{ \"a\":{\"x\":1 }}") + g.nl)
		}
	default:
		b.WriteString(`"mcp":` + g.pick("", " # c", " &own") + g.nl)
		if list {
			g.yamlList(&b, g.pick("", unit), unit, 2)
		} else {
			g.yamlMap(&b, unit, unit, 2, 1+g.below(3))
		}
	}
	g.yamlNoise(&b, unit)
	g.yamlMap(&b, "", unit, 2, g.below(2))
	s := b.String()
	if g.chance(8) {
		s += "..." + g.nl
	}
	if g.chance(3) {
		s = strings.TrimSuffix(s, g.nl)
	}
	return s
}
