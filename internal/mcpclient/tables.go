package mcpclient

import "github.com/keyfob/keyfob/internal/mcpclient/edit"

// What the tables of several clients have in common.

const checked = "2026-11-23"

func place(path ...string) edit.Place { return edit.Place{Path: path} }

// servers is where most clients keep their entries.
func servers() edit.Place { return place("mcpServers") }

// userFile is a person's file in JSON with comments; projectFile is a folder's.
func userFile(at paths, where edit.Place) file {
	return file{scope: ScopeUser, at: at, format: edit.JSONC, place: where}
}

func projectFile(path string, where edit.Place) file {
	return file{scope: ScopeProject, at: in("./" + path), format: edit.JSONC, place: where}
}

// left marks a place that the client has left.
func left(f file) file {
	f.old = true
	return f
}

// plainForms are those of an entry with a URL in the field and headers, after the fields of head. ref is how the client
// writes a reference to a variable, such as ${env:<var>}; empty: it knows none.
func plainForms(urlField, ref string, head ...any) forms {
	remote := func(value string) edit.Object {
		return append(obj(head...), obj(urlField, theURL, "headers", auth(value))...)
	}
	f := forms{RungProxy: stdio(), RungLiteral: remote(bearer)}
	if ref != "" {
		f[RungEnv] = remote("Bearer " + ref)
	}
	return f
}

// typedForms are those of an entry that says how the server is reached.
func typedForms(ref string) forms {
	f := plainForms("url", ref, "type", "http")
	f[RungProxy] = append(obj("type", "stdio"), stdio()...)
	return f
}
