//go:build !unix

package userfile

import (
	"io/fs"
	"os"
)

const openFlags = 0

// Windows has neither owners as numbers nor locks of folders: there the Store's lock is the only one.

func replaceableOwner(string, fs.FileInfo) error { return nil }

func keepOwner(*os.File, fs.FileInfo) error { return nil }

func lockFolder(*os.File) (bool, error) { return true, nil }

func syncFolder(*os.File) error { return nil }
