//go:build !unix

package credentials

import "os/exec"

// Windows has no process groups that a signal reaches: only the helper itself is killed.
func ownGroup(*exec.Cmd) {}
