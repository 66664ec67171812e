package pgtest

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged runs the command in a group of processes of its own, which ends with us, and as another user if we are root, whom
// PostgreSQL refuses.
func unprivileged(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if uid, gid, other := account(); other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
}

// account is whom the server runs as, if not as us.
func account() (uid, gid uint32, other bool) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nobody, nobody, true
	}
	id, idErr := strconv.ParseUint(u.Uid, 10, 32)
	group, groupErr := strconv.ParseUint(u.Gid, 10, 32)
	if idErr != nil || groupErr != nil {
		return nobody, nobody, true
	}
	return uint32(id), uint32(group), true
}

// own gives files to whom the server runs as.
func own(paths ...string) error {
	uid, gid, other := account()
	if !other {
		return nil
	}
	for _, p := range paths {
		if err := os.Chown(p, int(uid), int(gid)); err != nil {
			return err
		}
	}
	return nil
}

// signal goes to all processes of the server where it ends them, else to the first.
func signal(cmd *exec.Cmd, sig syscall.Signal) {
	pid := cmd.Process.Pid
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP || sig == syscall.SIGCONT {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig) // it may have ended
}
