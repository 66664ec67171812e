//go:build unix

package sink

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// foreign says why replacing the file would take it from somebody.
func foreign(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return ""
	case int(st.Uid) != os.Getuid():
		return "it belongs to another user"
	case st.Nlink > 1:
		return "it has a second name (a hard link), which would keep the old secret"
	}
	return ""
}

// ownGroup starts the program in a session of its own, so that what it starts ends with it, and a question that it has for the
// terminal fails at once.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}
