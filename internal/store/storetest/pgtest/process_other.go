//go:build !linux

package pgtest

import (
	"os/exec"
	"syscall"
)

// Programs finds none elsewhere than on Debian, so that nothing is run.
func unprivileged(*exec.Cmd) {}

func own(...string) error { return nil }

func signal(cmd *exec.Cmd, _ syscall.Signal) []int {
	_ = cmd.Process.Kill()
	return nil
}

func children(int) []int { return nil }

func ended([]int) bool { return true }
