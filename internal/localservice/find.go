// Package localservice finds keyfobd and runs it as a process on this machine: in place of this one, or below it. It must
// not know what the service does; the two talk through arguments, pipes and files in the data directory.
package localservice

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// Program finds keyfobd: beside this program, else on PATH.
func Program(executable func() (string, error)) (string, error) {
	name := "keyfobd"
	if self, err := executable(); err == nil {
		if target, err := filepath.EvalSymlinks(self); err == nil {
			self = target
		}
		beside := filepath.Join(filepath.Dir(self), name+filepath.Ext(self))
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name) // refuses a hit in the current folder (exec.ErrDot)
	if err != nil {
		return "", &cliutil.Error{
			Code: "keyfobd-not-found", Exit: cliutil.ExitFailed, Err: err,
			Message: "keyfobd, the service's program, is neither beside keyfob nor on PATH",
			Hint:    "install keyfobd, or build both with `make build`",
		}
	}
	return path, nil
}

// withoutToken returns an environment for keyfobd: the client's credential is not for it.
func withoutToken(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool { return strings.HasPrefix(entry, "KEYFOB_TOKEN=") })
}
