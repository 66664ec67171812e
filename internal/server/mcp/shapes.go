package mcp

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/keyfob/keyfob/internal/core"
	"github.com/keyfob/keyfob/pkg/api"
)

// The shapes of what the tools take and give. The descriptions are for the agent.
type (
	whoamiInput struct{}

	listKeysInput struct {
		Status    string `json:"status,omitempty" jsonschema:"only keys with this status"`
		Limit     int    `json:"limit,omitempty" jsonschema:"keys a page; 100 if left out"`
		PageToken string `json:"page_token,omitempty" jsonschema:"next_page_token of the page before"`
	}

	keyActivityInput struct {
		Key   string `json:"key,omitempty" jsonschema:"name or id of the key; the calling key if left out"`
		Limit int    `json:"limit,omitempty" jsonschema:"events at most; 20 if left out"`
	}

	whoamiOutput struct {
		Org org `json:"org" jsonschema:"the organisation that the key belongs to"`
		Key key `json:"key" jsonschema:"the key that this connection uses"`
	}

	listKeysOutput struct {
		Keys          []key  `json:"keys"`
		NextPageToken string `json:"next_page_token" jsonschema:"empty on the last page"`
	}

	keyActivityOutput struct {
		Key     key         `json:"key"`
		Secrets []secretUse `json:"secrets" jsonschema:"the versions of the key's secret that exist now"`
		Events  []event     `json:"events" jsonschema:"newest first"`
	}

	org struct {
		ID   string `json:"id"`
		Slug string `json:"slug"`
		Name string `json:"name"`
	}

	key struct {
		ID         string     `json:"id"`
		Name       string     `json:"name"`
		Hint       string     `json:"hint" jsonschema:"masked form of the current secret"`
		Status     string     `json:"status" jsonschema:"enabled, disabled or expired"`
		CreatedAt  time.Time  `json:"created_at"`
		ExpiresAt  *time.Time `json:"expires_at" jsonschema:"null: never"`
		LastUsedAt *time.Time `json:"last_used_at" jsonschema:"null: never"`
	}

	secretUse struct {
		Version    int        `json:"version"`
		Hint       string     `json:"hint"`
		State      string     `json:"state" jsonschema:"current, next or retiring"`
		LastUsedAt *time.Time `json:"last_used_at" jsonschema:"null: never"`
	}

	event struct {
		At   time.Time         `json:"at"`
		Type string            `json:"type" jsonschema:"such as key.created or key.disabled"`
		By   actor             `json:"by"`
		Data map[string]string `json:"data,omitempty" jsonschema:"facts such as the old name"`
	}

	actor struct {
		Type string `json:"type" jsonschema:"user, key or system"`
		ID   string `json:"id"`
		Name string `json:"name"`
	}
)

func describe(k core.Key) key {
	return key{
		ID: k.ID, Name: k.Name, Hint: k.Hint(), Status: string(k.Status), CreatedAt: k.CreatedAt.UTC(),
		ExpiresAt: when(k.ExpiresAt), LastUsedAt: when(k.LastUsedAt),
	}
}

const timeFormat = time.RFC3339

// when makes the zero time null.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func stamp(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(timeFormat)
}

// line is a key as text. Names are quoted: they are other people's words, not instructions.
func line(k key) string {
	return fmt.Sprintf("%q (%s, %s, %s, expires %s, last used %s)",
		k.Name, k.ID, k.Hint, k.Status, stamp(k.ExpiresAt), stamp(k.LastUsedAt))
}

func listKeysSchema() *jsonschema.Schema {
	s := schemaOf[listKeysInput]()
	for _, status := range api.KeyStatuses() {
		s.Properties["status"].Enum = append(s.Properties["status"].Enum, string(status))
	}
	between(s.Properties["limit"], 1, 1000)
	return s
}

func keyActivitySchema() *jsonschema.Schema {
	s := schemaOf[keyActivityInput]()
	between(s.Properties["limit"], 1, 100)
	return s
}

func between(s *jsonschema.Schema, least, most float64) { s.Minimum, s.Maximum = &least, &most }

// schemaOf derives a schema from a Go type. A type without one is a mistake in this package, so it panics as
// regexp.MustCompile does; the server's construction meets it in every test.
func schemaOf[T any]() *jsonschema.Schema {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Time](): {Type: "string", Format: "date-time"},
	}})
	if err != nil {
		panic(err)
	}
	return s
}

// outputOf is schemaOf for what a tool gives. It leaves room for members that later versions add, and knows that our
// slices are never nil.
func outputOf[T any]() *jsonschema.Schema {
	s := schemaOf[T]()
	loosen(s)
	return s
}

func loosen(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if slices.Equal(s.Types, []string{"null", "array"}) {
		s.Type, s.Types = "array", nil
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = nil
	}
	loosen(s.Items)
	for _, p := range s.Properties {
		loosen(p)
	}
}
