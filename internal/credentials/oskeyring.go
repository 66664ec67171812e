package credentials

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	gokeyring "github.com/zalando/go-keyring"
)

// osKeyring is the keyring of the operating system: Secret Service on Linux, Keychain on macOS, Credential Manager on
// Windows.
type osKeyring struct {
	unattended bool // nobody is there to unlock it
}

// errLocked is worded as go-keyring words it.
var errLocked = errors.New("failed to unlock: nobody is there to do it")

func (k osKeyring) Get(service, user string) (string, error) {
	if err := k.ready(service, user); err != nil {
		return "", err
	}
	value, err := gokeyring.Get(service, user)
	return value, mapNotFound(err)
}

func (k osKeyring) Set(service, user, value string) error {
	if err := k.ready(service, user); err != nil {
		return err
	}
	return gokeyring.Set(service, user, value)
}

// ready says why somebody would be asked.
func (k osKeyring) ready(service, user string) error {
	if !k.unattended {
		return nil
	}
	open, err := opensUnasked(service, user)
	if err == nil && !open {
		return errLocked
	}
	return err
}

func (osKeyring) Delete(service, user string) error {
	return mapNotFound(gokeyring.Delete(service, user))
}

func mapNotFound(err error) error {
	if errors.Is(err, gokeyring.ErrNotFound) {
		return ErrNone
	}
	return err
}

// busMissing says why go-keyring must not be called: where godbus finds no session bus it starts dbus-launch, which
// leaves a daemon behind. godbus looks at DBUS_SESSION_BUS_ADDRESS ("autolaunch:" counts as unset) and then in
// /run/user/UID, wherever XDG_RUNTIME_DIR points to.
func busMissing(cfg Config) *Error {
	goos, env := cfg.GOOS, cfg.Env
	if goos == "" {
		goos = runtime.GOOS
	}
	if goos == "windows" || goos == "darwin" {
		return nil
	}
	if env == nil {
		env = func(string) string { return "" }
	}
	if address := env("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return nil
	}
	e := &Error{
		Place:  KindKeyring,
		Reason: "no OS keyring is in reach: there is no D-Bus session bus",
		Hint:   "set " + tokenVariable + ", or run the command in a desktop session",
		err:    errAbsent,
	}
	dir, own := env("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", os.Getuid())
	if dir == "" && cfg.Unattended {
		dir = own
	}
	if !filepath.IsAbs(dir) || !isSocket(filepath.Join(dir, "bus")) {
		return e
	}
	if filepath.Clean(dir) == own {
		return nil
	}
	e.Reason = "no OS keyring is in reach: DBUS_SESSION_BUS_ADDRESS is not set"
	e.Hint = fmt.Sprintf("set DBUS_SESSION_BUS_ADDRESS=unix:path=%s, or set %s", filepath.Join(dir, "bus"), tokenVariable)
	return e
}

func isSocket(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode()&os.ModeSocket != 0
}

// explain says what a keyring's error means and what to do. Only its text tells one failure from another.
func explain(err error) *Error {
	text := err.Error()
	for _, known := range []struct{ part, reason, hint string }{
		{"failed to unlock", "the OS keyring is locked", "unlock the keyring and try again"},
		{".service files", "no keyring runs in this session", "start one (gnome-keyring, KWallet, KeePassXC)"},
		{"dial unix", "the D-Bus session bus does not answer", "check DBUS_SESSION_BUS_ADDRESS"},
	} {
		if strings.Contains(text, known.part) {
			return &Error{Reason: known.reason, Hint: known.hint + ", or set " + tokenVariable}
		}
	}
	return &Error{
		Reason: "the OS keyring failed: " + clean(text),
		Hint:   "unlock the keyring and try again, or set " + tokenVariable,
	}
}
