//go:build !next

package sqlite

import "io/fs"

// nextMigrations are those of a program after this one. The build tag "next" adds some that do nothing, so that tests can upgrade
// a service and take that back.
func nextMigrations() []fs.FS { return nil }
