//go:build next

package sqlite

import (
	"embed"
	"io/fs"
)

//go:embed next/*.sql
var next embed.FS

func nextMigrations() []fs.FS { return []fs.FS{next} }
