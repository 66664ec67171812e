//go:build unix

package userfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep an open from waiting for the other end of a pipe.
const openFlags = syscall.O_NONBLOCK

// replaceableOwner refuses what a rename would take from its owner or tear from its other names. Root gives the owner back.
func replaceableOwner(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if uid := os.Geteuid(); uid != 0 && int64(st.Uid) != int64(uid) {
		return fail(path, ErrOwner, "run the command as the user whose file it is")
	}
	if st.Nlink > 1 {
		return fail(path, fmt.Errorf("%w: it has %d names (hard links)", ErrKind, st.Nlink), "replace the link by a copy of its own: cp FILE FILE.new && mv FILE.new FILE")
	}
	return nil
}

// keepOwner gives the new file the old one's owner and group. A group that can't be given is one less that may read it.
func keepOwner(f *os.File, old fs.FileInfo) error {
	st, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if os.Geteuid() == 0 {
		return f.Chown(int(st.Uid), int(st.Gid))
	}
	_ = f.Chown(-1, int(st.Gid))
	return nil
}

// lockFolder keeps other programs that lock the folder out of it, whatever Store they have. A file system without locks
// has none.
func lockFolder(dir *os.File) (bool, error) {
	err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	if errors.Is(err, syscall.ENOLCK) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EINVAL) {
		return true, nil
	}
	return err == nil, err
}

// syncFolder makes a rename survive a power cut.
func syncFolder(dir *os.File) error { return dir.Sync() }
