//go:build unix

package localservice

import (
	"os/exec"
	"syscall"
)

// detach keeps the terminal's Ctrl-C from the process: its parent stops it when its own work is done.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
