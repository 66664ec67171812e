// Package edit changes one server entry in the text of an AI client's configuration file and leaves every other byte as it
// is. It finds the span by parsing, splices it, parses again and compares all that is not the entry.
//
// The package works on bytes alone. It must not know which client a file belongs to, where it lies, what a field of an entry
// means, or what a secret is.
package edit

// Format is how a configuration file is written.
type Format string

// The formats.
const (
	JSON  Format = "json"  // RFC 8259, for clients that take a comment for damage
	JSONC Format = "jsonc" // JSON with comments and trailing commas
	TOML  Format = "toml"  // TOML 1.0
	YAML  Format = "yaml"  // YAML 1.2, one document
)

// Place is where a file keeps its server entries.
type Place struct {
	// Path leads from the top of the document to the entries, such as "mcpServers". Each element is a name, taken literally.
	Path []string
	// Key is the field that holds an entry's name where the entries are a list, or in TOML an array of tables. Empty: the
	// entries are a mapping by name.
	Key string
}

// Object is an ordered mapping, such as an entry to be written.
type Object []Field

// Field is one member of an Object. Value is a string, a bool, an int, an Object, or a []any of these.
type Field struct {
	Name  string
	Value any
}

// Entry is a server as a file has it.
type Entry struct {
	Name string
	// Value is what stands there, decoded: map[string]any for what is well-formed, with string, bool, int64, float64, []any
	// and map[string]any in it.
	Value any
	Line  int // the line it begins on, from 1
}
