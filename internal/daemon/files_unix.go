//go:build unix

package daemon

import "syscall"

// openFiles is how many files this process may have open; the runtime has raised it to what is allowed.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return connsMost
	}
	return uint64(limit.Cur) //nolint:unconvert // some systems have it signed
}
