//go:build next

package postgres

import (
	"embed"
	"io/fs"
)

//go:embed next/*.sql
var next embed.FS

func nextMigrations() []fs.FS { return []fs.FS{next} }
