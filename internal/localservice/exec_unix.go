//go:build unix

package localservice

import (
	"context"
	"fmt"
	"syscall"
)

// Exec runs the program with the environment in place of this process; it returns only when that fails.
func Exec(_ context.Context, program string, args, environ []string) error {
	argv := append([]string{program}, args...)
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, argv, withoutToken(environ))) //nolint:gosec // our own program
}
