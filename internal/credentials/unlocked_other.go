//go:build !(dragonfly || freebsd || linux || netbsd || openbsd)

package credentials

import "context"

// Unlocked takes the keychain of macOS and the Credential Manager of Windows for open: they are from the moment the user signs
// in to the machine, and neither tells without a prompt of its own.
func Unlocked(context.Context, func(string) string, Ref) bool { return true }

func opensUnasked(string, string) (bool, error) { return true, nil }
