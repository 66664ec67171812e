//go:build linux || darwin || freebsd

package daemon

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes its owner can still write there.
func freeSpace(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil //nolint:gosec,unconvert // their types differ by system
}
