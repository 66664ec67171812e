// Package schema reads the migrations of a database, and says which programs may run on which schema. It must not know any database.
//
// Migrations go forward only: file n of a folder, by name, makes schema n. A program knows the schemas up to its own. Programs of
// several schemas run beside each other while an upgrade takes one after the other's place, and a program may go back to one before
// it, so every migration says which is the oldest schema whose programs go on running: in its first line,
//
//	-- since: N
//
// Without that line it is the migration's own: nobody older may run. CONTRIBUTING.md says what a migration may do that names an older
// one.
package schema

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/store"
)

// Migration makes one schema out of the one before.
type Migration struct {
	Name  string
	Text  string
	Since int // the oldest schema whose programs may run beside this one
}

// Read returns the migrations of the folders "*/*.sql", one folder after the other, by name.
func Read(folders ...fs.FS) []Migration {
	var all []Migration
	for _, folder := range folders {
		paths, _ := fs.Glob(folder, "*/*.sql") // the pattern is well-formed; a folder that is missing has none
		for _, path := range paths {
			text, err := fs.ReadFile(folder, path)
			if err != nil {
				return nil // can't be: folders are embedded
			}
			m := Migration{Name: path[strings.LastIndex(path, "/")+1:], Text: string(text)}
			m.Since = since(m.Text, len(all)+1)
			all = append(all, m)
		}
	}
	return all
}

// since is what the first line says, or own.
func since(text string, own int) int {
	line, _, _ := strings.Cut(text, "\n")
	said, ok := strings.CutPrefix(line, "-- since: ")
	n, err := strconv.Atoi(strings.TrimSpace(said))
	if !ok || err != nil || n < 1 || n > own {
		return own
	}
	return n
}

// Applied is what a database says of its schema; zero: it has none yet.
type Applied struct {
	Version int
	Since   int // the oldest schema whose programs may run on it
}

// Refuse says why a program that knows the schemas up to known must leave a database of this one alone; nil: it need not.
func (a Applied) Refuse(known int) error {
	if a.Version <= known || a.Since <= known {
		return nil
	}
	return fmt.Errorf("%w: its schema is %d, for programs that know %d; this program knows up to %d", store.ErrNewerSchema, a.Version, a.Since, known)
}
