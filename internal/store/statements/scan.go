package statements

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// micros is how a time that is always there is kept.
func micros(t time.Time) int64 { return t.UnixMicro() }

// orNull is how a time that may be missing is kept.
func orNull(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// moment scans a time; NULL is the zero time.
type moment struct{ t *time.Time }

func (m moment) Scan(v any) error {
	switch n := v.(type) {
	case nil:
		*m.t = time.Time{}
	case int64:
		*m.t = time.UnixMicro(n).UTC()
	default:
		return fmt.Errorf("want a time in microseconds, have %T", v)
	}
	return nil
}

// TextOrNull keeps the empty string as NULL.
func TextOrNull(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// text scans text that may be missing; NULL is the empty string.
type text struct{ s *string }

func (x text) Scan(v any) error {
	switch s := v.(type) {
	case nil:
		*x.s = ""
	case string:
		*x.s = s
	default:
		return fmt.Errorf("want text, have %T", v)
	}
	return nil
}

// texts is a list of strings, kept as a JSON array; NULL is an empty one.
type texts struct{ list *[]string }

func (x texts) Scan(v any) error {
	*x.list = nil
	switch s := v.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(s), x.list)
	}
	return fmt.Errorf("want JSON text, have %T", v)
}

func textsOrNull(list []string) (sql.NullString, error) {
	if len(list) == 0 {
		return sql.NullString{}, nil
	}
	b, err := json.Marshal(list)
	return sql.NullString{String: string(b), Valid: true}, err
}

// facts is a map of strings, kept as a JSON object.
type facts struct{ m *map[string]string }

func (f facts) Scan(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("want JSON text, have %T", v)
	}
	*f.m = map[string]string{}
	return json.Unmarshal([]byte(text), f.m)
}

func factsText(m map[string]string) (string, error) {
	if m == nil {
		m = map[string]string{}
	}
	b, err := json.Marshal(m)
	return string(b), err
}
