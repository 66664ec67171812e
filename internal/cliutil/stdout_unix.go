//go:build unix

package cliutil

import (
	"os"

	"golang.org/x/sys/unix"
)

// leadsNowhere says that stdout was closed when the process started. Go's runtime then opens /dev/null in its place, for reading
// and writing (runtime.checkfds), so that every write succeeds; a shell's >/dev/null, which somebody meant, is for writing only.
func leadsNowhere() bool {
	flags, err := unix.FcntlInt(os.Stdout.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	out, err := os.Stdout.Stat()
	if err != nil {
		return true
	}
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(out, null) && flags&unix.O_ACCMODE == unix.O_RDWR
}
