package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// maxBody is the most that a body of the API may weigh, in bytes.
const maxBody = 64 << 10

const (
	mediaJSON  = "application/json"
	mediaPatch = "application/merge-patch+json" // RFC 7396
	mediaForm  = "application/x-www-form-urlencoded"
)

// withBody reads the whole body before the handler runs, so that the limit holds for every route, read or not.
func withBody(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &core.Error{Code: api.CodeBodyTooLarge, Detail: fmt.Sprintf("the body is larger than %d bytes", maxBody)}
		}
		if err != nil {
			return invalid("the body could not be read to its end")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return h(w, r)
	}
}

// decode reads the body into v, a pointer to a struct, strictly: member names match exactly, and unknown or repeated
// ones, text after the object or broken UTF-8 are refused. (encoding/json would take ROLE for role, the last one wins.)
func decode(r *http.Request, v any, media ...string) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(media, kind) {
		return &core.Error{
			Code: api.CodeUnsupportedMedia, Detail: "the body is not declared as JSON",
			Fix: "send Content-Type: " + strings.Join(media, " or "),
		}
	}
	if err := json.UnmarshalRead(r.Body, v, json.RejectUnknownMembers(true)); err != nil {
		return invalid(explain(err))
	}
	return nil
}

// reasonOf reads why something is done from a body that may be left out.
func reasonOf(r *http.Request) (string, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil || len(text) == 0 {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	var body struct {
		Reason member[string] `json:"reason"`
	}
	if err := decode(r, &body, mediaJSON); err != nil {
		return "", err
	}
	reason, err := body.Reason.pointer("reason")
	if reason == nil {
		return "", err
	}
	return *reason, nil
}

// idempotencyKey returns the caller's own key for the request; empty: there is none. It may be bare or a structured-field
// string (RFC 8941 §3.3.3).
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key, ok := values[0], len(values) == 1
	if inner, quoted := strings.CutPrefix(key, `"`); quoted {
		key, ok = unquoted(inner)
		ok = ok && len(values) == 1
	}
	if !ok || key == "" || len(key) > 255 || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", invalid(`Idempotency-Key must be one string of 1 to 255 printable ASCII characters, bare or in quotes`)
	}
	return key, nil
}

// unquoted reads a structured-field string from behind its first quote to its last; nothing may follow.
func unquoted(s string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return out.String(), i == len(s)-1
		case s[i] != '\\':
		case i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		default:
			return "", false
		}
		out.WriteByte(s[i])
	}
	return "", false
}

// explain says what is wrong with a JSON body in terms of JSON, without repeating its values.
func explain(err error) string {
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.As(err, &syntax) && syntax.ByteOffset == 0 && errors.Is(err, io.ErrUnexpectedEOF):
		return "the body is empty; it must be a JSON object"
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return fmt.Sprintf("the member %q is given twice", syntax.JSONPointer.LastToken())
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not valid JSON (byte %d)", syntax.ByteOffset)
	case errors.As(err, &meaning) && errors.Is(err, json.ErrUnknownName):
		return fmt.Sprintf("unknown member %q", meaning.JSONPointer.LastToken())
	case errors.As(err, &meaning) && meaning.JSONPointer == "":
		return "the body must be a JSON object"
	case errors.As(err, &meaning):
		return fmt.Sprintf("the member %q must be %s", strings.TrimPrefix(string(meaning.JSONPointer), "/"), wanted(meaning.GoType))
	default:
		return "the body could not be read"
	}
}

func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time such as 2030-01-31T12:00:00Z (RFC 3339)"
	case t != nil && t.Kind() == reflect.String:
		return "a string"
	case t != nil && t.Kind() == reflect.Bool:
		return "true or false"
	case t != nil && t.Kind() == reflect.Int64:
		return "a whole number"
	case t != nil && t.Kind() == reflect.Map:
		return "an object of strings"
	case t != nil && t.Kind() == reflect.Slice:
		return "an array of strings"
	default:
		return "of another type"
	}
}

// member is a member of a JSON object that may be left out. Unlike a pointer it can tell null from absent.
type member[T any] struct {
	set, null bool
	value     T
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *member[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	m.set, m.null = true, dec.PeekKind() == 'n'
	return json.UnmarshalDecode(dec, &m.value)
}

// pointer returns the value, nil if the member was left out; null is refused.
func (m *member[T]) pointer(name string) (*T, error) {
	if m.null {
		return nil, invalid(fmt.Sprintf("the member %q can't be null", name))
	}
	if !m.set {
		return nil, nil //nolint:nilnil // nil is "left out" throughout the API
	}
	return &m.value, nil
}

// required returns the value; what was left out is refused, as null is.
func (m *member[T]) required(name string) (T, error) {
	value, err := m.pointer(name)
	if err == nil && value == nil {
		err = invalid(fmt.Sprintf("the member %q is missing", name))
	}
	return m.value, err
}

// ifMatch returns the revision that the If-Match header asks for (RFC 9110 §13.1.1): 0 for any, -1 for one that no key
// has.
func ifMatch(r *http.Request) (int64, error) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 || len(values) == 1 && values[0] == "*" {
		return 0, nil
	}
	tag, ok := strings.CutPrefix(values[0], `"`)
	tag, ok2 := strings.CutSuffix(tag, `"`)
	if len(values) > 1 || !ok || !ok2 || tag == "" || strings.ContainsAny(tag, `", `) {
		return 0, invalid(`If-Match must be one ETag in quotes, such as "3", or *`)
	}
	revision, err := strconv.ParseInt(tag, 10, 64)
	if err != nil || revision < 1 {
		return -1, nil //nolint:nilerr // well formed, but no ETag of ours
	}
	return revision, nil
}
