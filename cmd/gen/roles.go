package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keyfob/keyfob/pkg/api"
)

// roles writes the one table of roles and permissions for people.
func roles() error {
	var b strings.Builder
	b.WriteString("# Roles\n\nWhat each role may do in its organisation. `keyfob auth token --permission` takes the same words; a token never has more\n" +
		"than the role of whoever made it has at that moment.\n\n| permission |")
	for _, r := range api.Roles() {
		fmt.Fprintf(&b, " %s |", r)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(api.Roles())) + "\n")
	for _, p := range api.Permissions() {
		fmt.Fprintf(&b, "| `%s` |", p)
		for _, r := range api.Roles() {
			if r.May(p) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n`owners:write` is needed, beside `members:write`, to make, change or remove an owner. The last owner can't be removed.\n")
	return write(filepath.Join("docs", "roles.md"), []byte(b.String()))
}
