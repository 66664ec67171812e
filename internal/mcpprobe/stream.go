package mcpprobe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// cappedReader fails with ErrTooLarge after left bytes, where io.LimitReader would pretend that the body ended.
type cappedReader struct {
	r    io.Reader
	left int64
}

// Read reads at most what is left and one byte more, to tell a full body from a too large one.
func (c *cappedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// readEvents gives the data of each message event to take until that says done. The form is that of WHATWG HTML,
// "Server-sent events", with lines that end in LF or CRLF.
func readEvents(body io.Reader, take func(data []byte) (done bool, err error)) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4096), maxBody+1)
	var data []byte
	other := false // an event of another type than message
	for lines.Scan() {
		line := bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff"))
		if len(line) == 0 {
			// 2025-11-25 opens a stream with an event of no data, for its id
			if len(data) > 0 && !other {
				if done, err := take(data); err != nil || done {
					return err
				}
			}
			data, other = data[:0], false
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "data":
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "event":
			other = len(value) > 0 && string(value) != "message"
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return ErrTooLarge
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: the stream ended before the answer", ErrProtocol)
}
