package edit

// A node is a value in a text, with the places of its parts: a JSON value, an inline table or array of TOML, a flow mapping
// or sequence of YAML.
type node struct {
	kind       byte // '{', '[', '"', 't' for true and false, '0' for a number, 'n' for null; '?' for others
	start, end int
	items      []item // of an object or array, where they were asked for
	known      any    // what a scalar of YAML decodes to
	comments   bool   // a comment stands among the items
}

// An item is a member of an object or an element of an array.
type item struct {
	name  string // of a member
	start int    // of the name, or of the element
	colon int    // the offset of what parts name and value; -1: an element
	value node
	comma int // the offset of the comma behind it; -1: none
}
