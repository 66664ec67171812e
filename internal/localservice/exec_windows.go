package localservice

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// Exec runs the program with the environment and this process's streams and ends with its exit code: Windows can't replace a process.
func Exec(_ context.Context, program string, args, environ []string) error {
	cmd := exec.Command(program, args...)
	cmd.Env = withoutToken(environ)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &cliutil.Error{
			Code: "keyfobd-failed", Exit: cliutil.Exit(exit.ExitCode()),
			Message: fmt.Sprintf("keyfobd ended with exit code %d", exit.ExitCode()), Err: err,
		}
	}
	return err
}
