//go:build !unix

package credentials

import "io/fs"

const openFlags = 0

// Windows has neither modes nor a numeric owner: there a user's own directories are closed to others by inherited ACLs.

func ownedBy(fs.FileInfo, int) bool { return true }

func openToOthers(fs.FileInfo) bool { return false }

// Windows has no call that makes a rename durable.
func syncDir(string) error { return nil }
