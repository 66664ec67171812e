package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
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

// signal goes to all processes of the server where it ends or stops them, else to the first. Each has a group of its own: the first
// one is stopped, so that it starts no more of them, and goes last. It returns the others.
func signal(cmd *exec.Cmd, sig syscall.Signal) (others []int) {
	first := cmd.Process.Pid
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP {
		_ = syscall.Kill(first, syscall.SIGSTOP) // it may have ended
	}
	others = children(first)
	if sig == syscall.SIGKILL || sig == syscall.SIGSTOP || sig == syscall.SIGCONT {
		for _, pid := range others {
			_ = syscall.Kill(pid, sig)
		}
	}
	_ = syscall.Kill(first, sig)
	return others
}

// children are the processes that pid started and that have not ended.
func children(pid int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if state, parent := stat(child); err == nil && parent == strconv.Itoa(pid) && state != "Z" {
			pids = append(pids, child)
		}
	}
	return pids
}

// ended says that none of the processes runs any more: while one does, the server's memory is in use.
func ended(pids []int) bool {
	for _, pid := range pids {
		if state, _ := stat(pid); state != "" && state != "Z" {
			return false
		}
	}
	return true
}

// stat is the state of a process and who started it; "": it has ended.
func stat(pid int) (state, parent string) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // it may have ended
	_, rest, _ := strings.Cut(string(text), ") ")
	if fields := strings.Fields(rest); len(fields) > 1 {
		return fields[0], fields[1]
	}
	return "", ""
}
