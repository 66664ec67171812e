//go:build !next

package postgres

import "io/fs"

// nextMigrations are those of a program after this one. The build tag "next" adds some that do nothing, so that tests can upgrade
// replicas one after the other.
func nextMigrations() []fs.FS { return nil }
