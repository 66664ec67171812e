package mcpwire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
)

// Event is an event of a stream.
type Event struct {
	// Data is valid until take returns. It is empty for an event that says where the stream can be taken up again and no more, and for
	// one of another type than message.
	Data []byte
	// ID is where the stream can be taken up again; empty: nowhere.
	ID string
	// Retry is how long to wait before that; 0: the server did not say.
	Retry time.Duration
}

const (
	maxID    = 1024 // bytes
	maxRetry = time.Minute
)

// Events gives each event to take until that says done; false without an error: the stream ended before. No
// event may have more than limit bytes. The form is that of WHATWG HTML, "Server-sent events", with lines that end in LF or CRLF.
func Events(body io.Reader, limit int, take func(Event) (done bool, err error)) (bool, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4096), limit+1)
	p := parser{limit: limit}
	for lines.Scan() {
		line := bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff"))
		if len(line) > 0 {
			if err := p.field(line); err != nil {
				return false, err
			}
			continue
		}
		if p.any {
			if done, err := take(p.whole()); err != nil || done {
				return done, err
			}
		}
		p.next()
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return false, ErrTooLarge
	}
	return false, lines.Err()
}

// parser is what of an event has been read.
type parser struct {
	event Event
	limit int
	any   bool // there was a field
	other bool // it is of another type than message
}

func (p *parser) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		if len(p.event.Data)+len(value) > p.limit {
			return ErrTooLarge
		}
		if len(p.event.Data) > 0 {
			p.event.Data = append(p.event.Data, '\n')
		}
		p.event.Data = append(p.event.Data, value...)
	case "event":
		p.other = len(value) > 0 && string(value) != "message"
	case "id":
		if len(value) <= maxID && bytes.IndexFunc(value, func(r rune) bool { return r < 0x20 || r == 0x7f }) < 0 {
			p.event.ID = string(value)
		}
	case "retry":
		if n, err := strconv.ParseUint(string(value), 10, 31); err == nil {
			p.event.Retry = min(time.Duration(n)*time.Millisecond, maxRetry)
		}
	default:
		return nil // a comment, or a field of a later day
	}
	p.any = true
	return nil
}

func (p *parser) whole() Event {
	e := p.event
	if p.other {
		e.Data = nil
	}
	return e
}

// next keeps the id, which stands for the stream, and the buffer.
func (p *parser) next() {
	p.event.Data, p.any, p.other = p.event.Data[:0], false, false
}
