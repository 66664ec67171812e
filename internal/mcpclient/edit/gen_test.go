package edit_test

import (
	"fmt"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// A gen writes a document with a layout drawn at random.
type gen struct {
	*rapid.T
	nl, unit string
	n        int // makes names unique
}

func newGen(t *rapid.T) *gen {
	return &gen{
		T: t, nl: rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "nl"),
		unit: rapid.SampledFrom([]string{"  ", "    ", "\t", " "}).Draw(t, "unit"),
	}
}

func (g *gen) pick(of ...string) string { return rapid.SampledFrom(of).Draw(g.T, "pick") }

func (g *gen) below(n int) int { return rapid.IntRange(0, n-1).Draw(g.T, "n") }

func (g *gen) chance(oneIn int) bool { return g.below(oneIn) == 0 }

func (g *gen) name() string {
	g.n++
	return g.pick("a", "key", "x-y", "mcp_", "Ü") + strconv.Itoa(g.n)
}

// jsonSpace is white space where any may stand.
func (g *gen) jsonSpace(lax bool, indent string) string {
	s := g.pick("", " ", g.nl+indent, g.nl+indent, g.nl+indent, g.nl+g.nl+indent, "\t")
	if lax && g.chance(4) {
		s += g.pick("// c, \"ours\": {"+g.nl+indent, "/* { */", "/* a"+g.nl+" b */ ", "//"+g.nl)
	}
	return s
}

func (g *gen) json(lax bool) string {
	top := g.pick("", "", g.nl)
	if lax && g.chance(3) {
		top = "// top" + g.nl
	}
	end := g.pick("", g.nl, g.nl, g.nl+g.nl)
	if lax && g.chance(6) {
		end += "// end"
	}
	switch g.below(12) {
	case 0:
		return strings.ReplaceAll(top+end, g.nl+g.nl, g.nl)
	case 1:
		return top + "{" + g.jsonSpace(lax, "") + "}" + end
	}
	place := g.below(5)
	return top + g.object(lax, "", 3, place > 0, func(indent string) string {
		switch place {
		case 1:
			return `"mcp":` + g.pick("", " ") + "{" + g.jsonSpace(lax, indent) + "}"
		case 2:
			return `"m\u0063p" : ` + g.object(lax, indent, 2, false, nil)
		default:
			return `"mcp": ` + g.object(lax, indent, 2, false, nil)
		}
	}) + end
}

// object writes an object of at least one member; special is one of them, if it is to be there.
func (g *gen) object(lax bool, indent string, depth int, hasSpecial bool, special func(indent string) string) string {
	n := 1 + g.below(3)
	at := -1
	if hasSpecial {
		at = g.below(n)
	}
	tidy := !g.chance(3)
	inner := indent + g.unit
	space := func(indent string) string {
		if tidy {
			return g.nl + indent
		}
		return g.jsonSpace(lax, indent)
	}
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		b.WriteString(space(inner))
		if i == at {
			b.WriteString(special(inner))
		} else {
			fmt.Fprintf(&b, "%q:%s%s", g.name(), g.pick("", " "), g.jsonValue(lax, inner, depth-1))
		}
		if lax && g.chance(8) {
			b.WriteString(" /* v */")
		}
		if i < n-1 || lax && g.chance(3) {
			b.WriteByte(',')
		}
		if lax && g.chance(6) {
			b.WriteString(" // after" + g.nl)
		}
	}
	b.WriteString(space(indent) + "}")
	return b.String()
}

func (g *gen) jsonValue(lax bool, indent string, depth int) string {
	if depth > 0 && g.chance(2) {
		if g.chance(3) {
			return "[" + g.jsonValue(lax, indent, 0) + ", " + g.jsonValue(lax, indent, depth-1) + "]"
		}
		return g.object(lax, indent, depth, false, nil)
	}
	return g.pick("12345678901234567890", "1e3", "-0.10", `"\u00e9\ud83d\ude00 \/ // no"`, `"/* no */"`, "true", "null", "{}", "[]", `""`, `"}"`)
}

// tomlValue is a value of TOML.
func (g *gen) tomlValue() string {
	return g.pick("1", "99999999999999999999", "1_000", "0xff", "1.50", "1979-05-27 07:32:00Z", "true", `"a # b"`, `'c:\x'`, "[]", "{}",
		`"""`+g.nl+"[mcp.ours]"+g.nl+`url = "x" """""`, "'''"+g.nl+"[mcp]"+g.nl+"'''", "[ 1, # one"+g.nl+"  2,"+g.nl+"]",
		`{ a = 1, "b" = { c = 'd' } }`, `"\u00e9\\"`, "inf")
}

func (g *gen) tomlLine(b *strings.Builder, key string) {
	if g.chance(5) {
		b.WriteString(g.pick("# comment", "# [mcp.ours]", "", "  ") + g.nl)
	}
	b.WriteString(g.pick("", "", "  ", "\t") + key + g.pick(" = ", "=", " =  ") + g.tomlValue())
	if g.chance(5) {
		b.WriteString(" # after")
	}
	b.WriteString(g.nl)
}

func (g *gen) tomlHead(b *strings.Builder, head string) {
	b.WriteString(g.pick(g.nl, g.nl, "") + g.pick("", "", "# about"+g.nl) + g.pick("", "", " ") + head + g.pick("", " # h") + g.nl)
	for range g.below(3) {
		g.tomlLine(b, g.tomlName())
	}
}

func (g *gen) tomlName() string {
	n := g.name()
	if g.chance(5) {
		return `"` + n + ` ."`
	}
	if strings.Contains(n, "Ü") {
		return "'" + n + "'"
	}
	return n
}

func (g *gen) toml(list bool) string {
	var b strings.Builder
	if g.chance(12) {
		return g.pick("", g.nl, "# only", "# only"+g.nl, g.nl+g.nl)
	}
	for range g.below(3) {
		g.tomlLine(&b, g.tomlName())
	}
	place := g.below(6)
	switch {
	case place == 1 && list:
		b.WriteString("mcp = " + g.pick("[]", "[ ]", `[{ name = "a" }]`, "["+g.nl+`  { name = "a", x = 1 }, # c`+g.nl+"]", "[ # c"+g.nl+"]", `[{ name = "a"},]`) + g.nl)
	case place == 1:
		b.WriteString("mcp" + g.pick(" = {}", "={ }", ` = { a = { x = 1 } } # c`, ` = {a={x=1},b={}}`) + g.nl)
	case place == 2 && !list:
		b.WriteString("mcp.a.x = 1" + g.nl + `mcp . "b c" = { y = 2 }` + g.nl)
	}
	heads := []string{}
	if place > 2 && list {
		heads = append(heads, "[[mcp]]", "[mcp.sub]", "[[ 'mcp' ]]")
	} else if place > 2 {
		heads = append(heads, "[mcp.a]", "[mcp.'b c'.sub]", "[ mcp . \"d\" ]", "[[mcp.e.f]]")
		if place == 3 {
			heads = append([]string{"[mcp]"}, heads...)
		}
	}
	for _, h := range heads {
		if (!list || h != "[[mcp]]") && g.chance(4) {
			continue
		}
		if g.chance(3) {
			g.tomlHead(&b, "["+g.tomlName()+"]")
		}
		g.tomlHead(&b, h)
	}
	if g.chance(2) {
		g.tomlHead(&b, "[["+g.tomlName()+"]]")
	}
	s := b.String()
	switch g.below(4) {
	case 0:
		s = strings.TrimSuffix(s, g.nl)
	case 1:
		s += g.nl + "# end" + g.pick("", g.nl)
	}
	return s
}
