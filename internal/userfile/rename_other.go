//go:build !linux

package userfile

import "os"

// renameNew renames; the look before it has to do.
func renameNew(from, to string) error { return os.Rename(from, to) }
