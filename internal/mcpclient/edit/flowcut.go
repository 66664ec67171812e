package edit

import "bytes"

// cut removes item i of n. The trace is that of the Put that added it, or zero.
func (f flow) cut(data []byte, n node, i int, trace Trace) []splice {
	it := n.items[i]
	start, end := it.start, it.value.end
	if it.comma >= 0 {
		end = it.comma + 1
	}
	if len(n.items) == 1 {
		return []splice{f.cutOnly(data, n, start, end, trace)}
	}
	from := f.before(data, n, start, end)
	traced := trace.Before != "" && bytes.HasSuffix(data[n.start+1:start], []byte(trace.Before))
	if traced {
		from = start - len(trace.Before)
	}
	if it.comma < 0 {
		comma := n.items[i-1].comma
		return []splice{{comma, comma + 1, ""}, {max(from, comma+1), end, ""}}
	}
	rest := data[end:]
	rest = rest[:len(rest)-len(bytes.TrimLeft(rest, " \t"))]
	next := end + len(rest)
	endsLine := bytes.HasPrefix(data[next:], []byte("\n")) || bytes.HasPrefix(data[next:], []byte("\r\n"))
	if traced || startsLine(data, start) && endsLine || i > 0 && !startsLine(data, start) {
		return []splice{{from, end, ""}}
	}
	return []splice{{start, next, ""}}
}

// cutOnly removes the only item of n.
func (f flow) cutOnly(data []byte, n node, start, end int, trace Trace) splice {
	switch {
	case trace != (Trace{}) && (!n.comments || trace.After == "") && // a comment of the user's may need the line end
		bytes.HasSuffix(data[n.start+1:start], []byte(trace.Before)) && bytes.HasPrefix(data[end:n.end-1], []byte(trace.After)):
		return splice{start - len(trace.Before), end + len(trace.After), trace.Was}
	case !n.comments:
		return splice{n.start + 1, n.end - 1, ""}
	case startsLine(data, start):
		return splice{f.before(data, n, start, end), end, ""}
	default:
		return splice{start, end, ""}
	}
}

// before goes back from an item's start over one line break and its indentation, or over blanks. It stays in front of a line
// break that a comment needs.
func (f flow) before(data []byte, n node, start, end int) int {
	head := data[n.start+1 : start]
	cut := bytes.TrimRight(head, " \t")
	if len(cut) == len(head) && len(cut) == 0 || !bytes.HasSuffix(cut, []byte("\n")) {
		return n.start + 1 + len(cut)
	}
	next := bytes.TrimLeft(data[end:], " \t")
	if len(next) > 0 && next[0] != '\n' && next[0] != '\r' {
		return start // more follows on this line
	}
	cut = bytes.TrimSuffix(cut[:len(cut)-1], []byte("\r"))
	return n.start + 1 + len(cut)
}
