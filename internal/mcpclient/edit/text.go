package edit

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSize bounds a file. No client's comes near it.
const maxSize = 10 << 20

// caught turns a panic of a parser into a refusal: no input may bring the program down.
func caught(err *error) {
	if recover() != nil {
		*err = errInternal("the file's text upsets the parser")
	}
}

// open checks what holds for every format and parts the byte order mark from the text.
func open(data []byte, to target) (mark, text []byte, err error) {
	if len(to.Path) == 0 {
		return nil, nil, &Error{Kind: ErrShape, Reason: "no place given"}
	}
	if !utf8.ValidString(to.name) || strings.ContainsRune(to.name, 0) {
		return nil, nil, &Error{Kind: ErrEncoding, Reason: "the entry's name is not valid text"}
	}
	if len(data) > maxSize {
		return nil, nil, &Error{Kind: ErrTooLarge, Reason: "the file is larger than 10 MiB"}
	}
	const bom = "\xef\xbb\xbf"
	if bytes.HasPrefix(data, []byte(bom)) {
		mark, data = data[:len(bom):len(bom)], data[len(bom):]
	}
	// The slice ends where the text ends: a parser works offsets out from its capacity.
	text = slices.Clip(data)
	return mark, text, checkEncoding(text)
}

func checkEncoding(text []byte) error {
	for _, utf16 := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(text, []byte(utf16)) {
			return &Error{Kind: ErrEncoding, Reason: "the file is UTF-16; save it as UTF-8"}
		}
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		if len(text) >= 2 && i < 2 && text[1-i] != 0 {
			return &Error{Kind: ErrEncoding, Reason: "the file looks like UTF-16; save it as UTF-8"}
		}
		return errAt(ErrEncoding, text, i, "NUL byte")
	}
	if !utf8.Valid(text) {
		i := 0
		for {
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n <= 1 {
				return errAt(ErrEncoding, text, i, "not valid UTF-8")
			}
			i += n
		}
	}
	return nil
}

// A splice replaces data[start:end] by text.
type splice struct {
	start, end int
	text       string
}

// apply makes the splices, which must not overlap; those at one offset are made in the order given.
func apply(data []byte, list []splice) []byte {
	slices.SortStableFunc(list, func(a, b splice) int { return a.start - b.start })
	size := len(data)
	for _, s := range list {
		size += len(s.text)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, s := range list {
		out = append(out, data[at:s.start]...)
		out = append(out, s.text...)
		at = s.end
	}
	out = append(out, data[at:]...)
	return slices.Clip(out)
}

// newline is the line ending that a file uses.
func newline(data []byte) string {
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indentAt is the white space that the line of an offset begins with.
func indentAt(data []byte, off int) string {
	line := data[1+bytes.LastIndexByte(data[:off], '\n') : off]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// startsLine says that nothing but white space precedes an offset on its line.
func startsLine(data []byte, off int) bool {
	line := data[1+bytes.LastIndexByte(data[:off], '\n') : off]
	return len(bytes.TrimLeft(line, " \t")) == 0
}

func blank(b []byte) bool { return strings.Trim(string(b), " \t\r\n") == "" }

// lineEnd is the offset of the line end behind off, or of the end of the text.
func lineEnd(data []byte, off int) int {
	i := bytes.IndexByte(data[off:], '\n')
	if i < 0 {
		return len(data)
	}
	return off + len(bytes.TrimSuffix(data[off:off+i], []byte("\r")))
}

func lineStart(data []byte, off int) int { return 1 + bytes.LastIndexByte(data[:off], '\n') }

// cutLines removes runs of lines, each with its line end, and with the blank line before it where another follows. Of what is
// before floor it takes nothing.
func cutLines(data []byte, runs [][2]int, floor int) []splice {
	var list []splice
	for _, r := range runs {
		start, end := r[0], r[1]
		rest := data[end:]
		rest = rest[min(len(rest), bytes.IndexByte(rest, '\n')+1):]
		head := data[:start]
		switch {
		case len(data) == end: // no line end to take: the one before goes
			head = bytes.TrimSuffix(bytes.TrimSuffix(head, []byte("\n")), []byte("\r"))
			start = len(head)
		default:
			end = len(data) - len(rest)
		}
		next := rest[:lineEnd(rest, 0)]
		if blank(next) && lastBlank(head) > 0 && start-lastBlank(head) >= floor {
			start -= lastBlank(head)
		}
		list = append(list, splice{start, end, ""})
	}
	// Two runs with nothing but a blank line between them both want it.
	for i := 1; i < len(list); i++ {
		list[i].start = max(list[i].start, list[i-1].end)
	}
	return list
}

// lastBlank is the length of the empty line that a text ends with.
func lastBlank(head []byte) int {
	for _, nl := range []string{"\r\n", "\n"} {
		if bytes.HasSuffix(head, []byte("\n"+nl)) || string(head) == nl {
			return len(nl)
		}
	}
	return 0
}
