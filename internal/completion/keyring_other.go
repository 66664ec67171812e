//go:build !(dragonfly || freebsd || linux || netbsd || openbsd)

package completion

import (
	"context"

	"github.com/keyfob/keyfob/internal/credentials"
)

// keyringIsOpen takes the keychain of macOS and the Credential Manager of Windows for open: they are from the moment the
// user signs in to the machine, and neither tells without a prompt of its own.
func keyringIsOpen(context.Context, func(string) string, credentials.Ref) bool { return true }
