package server

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// form reads the body of an OAuth request. A parameter without a value counts as left out, one that is there twice is
// refused (RFC 6749 §3.1), and those that no operation knows are let be. err is what was wrong first.
type form struct {
	values url.Values
	err    error
}

func readForm(r *http.Request) (*form, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != mediaForm {
		return nil, invalid("the body is not declared as a form; send Content-Type: " + mediaForm)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read a form: %w", err)
	}
	values, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, invalid("the body is not a form") // its text may hold a code
	}
	return &form{values: values}, nil
}

func (f *form) refuse(name, must string) {
	if f.err == nil {
		f.err = invalid("the parameter " + name + " " + must)
	}
}

// text returns a parameter of at most most characters, none of which is a control character (RFC 6749 appendix A); empty if
// it was left out.
func (f *form) text(name string, most int) string {
	value := f.values.Get(name)
	switch {
	case len(f.values[name]) > 1:
		f.refuse(name, "is given more than once")
	case utf8.RuneCountInString(value) > most:
		f.refuse(name, fmt.Sprintf("is longer than %d characters", most))
	case !utf8.ValidString(value):
		f.refuse(name, "is not UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		f.refuse(name, "holds a control character")
	}
	return value
}

// required is text for a parameter that may not be left out.
func (f *form) required(name string, most int) string {
	value := f.text(name, most)
	if value == "" {
		f.refuse(name, "is missing")
	}
	return value
}
