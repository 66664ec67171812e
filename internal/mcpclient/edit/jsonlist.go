package edit

// list reads an object or array.
func (s *scanner) list(open byte, level, depth int) (node, error) {
	n := node{kind: open, start: s.pos}
	shut := open + 2 // '{' '}' and '[' ']' are two apart
	keep := level != skip
	outer := s.comment
	s.comment = false
	s.pos++
	for first := true; ; first = false {
		if err := s.space(); err != nil {
			return n, err
		}
		if s.peek() == shut {
			if !first && !s.lax {
				return n, s.fail("a comma before the closing bracket, which this client does not read")
			}
			break
		}
		n.comments = n.comments || s.comment
		it, err := s.item(open == '{', level, depth)
		if err != nil {
			return n, err
		}
		if err := s.space(); err != nil {
			return n, err
		}
		if s.peek() == ',' {
			it.comma = s.pos
			s.pos++
		}
		if keep {
			n.items = append(n.items, it)
		}
		if it.comma < 0 {
			if s.pos == len(s.data) {
				return n, s.fail("the file ends in the middle")
			}
			if s.peek() != shut {
				return n, s.fail("expected a comma or the closing bracket")
			}
			break
		}
	}
	n.comments = n.comments || s.comment
	s.comment = outer
	s.pos++
	n.end = s.pos
	return n, nil
}

func (s *scanner) item(member bool, level, depth int) (item, error) {
	it := item{start: s.pos, colon: -1, comma: -1}
	if member {
		if s.peek() != '"' {
			return it, s.fail("expected a name in double quotes")
		}
		if err := s.str(); err != nil {
			return it, err
		}
		if level != skip {
			it.name = unquoteJSON(s.data[it.start:s.pos])
		}
		if err := s.space(); err != nil {
			return it, err
		}
		if s.peek() != ':' {
			return it, s.fail("expected a colon")
		}
		it.colon = s.pos
		s.pos++
		if err := s.space(); err != nil {
			return it, err
		}
	}
	var err error
	it.value, err = s.value(s.below(level, member, it.name), depth+1)
	return it, err
}

// below is the level of an item's value.
func (s *scanner) below(level int, member bool, name string) int {
	switch path := s.want.path; {
	case level < 0:
		return level
	case level == len(path) && (s.want.all || !member || name == s.want.name):
		return full
	case level < len(path) && member && name == path[level]:
		return level + 1
	default:
		return skip
	}
}
