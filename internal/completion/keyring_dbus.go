//go:build dragonfly || freebsd || linux || netbsd || openbsd

package completion

import (
	"context"
	"path/filepath"

	"github.com/godbus/dbus/v5"

	"github.com/keyfob/keyfob/internal/credentials"
)

// Names of the Secret Service specification.
const (
	secretsName    = "org.freedesktop.secrets"
	secretsPath    = dbus.ObjectPath("/org/freedesktop/secrets")
	loginPath      = secretsPath + "/collection/login"
	defaultPath    = secretsPath + "/aliases/default"
	searchItems    = "org.freedesktop.Secret.Service.SearchItems"
	collectionType = "org.freedesktop.Secret.Collection"
)

// keyringIsOpen says that reading the credential from the keyring asks nobody: the collection that go-keyring takes is
// unlocked, and so is the item. Nothing is started and nothing unlocked to find out.
func keyringIsOpen(ctx context.Context, env func(string) string, ref credentials.Ref) bool {
	address := busAddress(env)
	if address == "" {
		return false
	}
	open := make(chan bool, 1) // signing in to a bus can't be cancelled; a late answer must find room
	go func() { open <- isOpen(ctx, address, ref) }()
	select {
	case yes := <-open:
		return yes
	case <-ctx.Done():
		return false
	}
}

// busAddress is the session bus that exists; godbus alone would start one.
func busAddress(env func(string) string) string {
	if address := env("DBUS_SESSION_BUS_ADDRESS"); address != "" && address != "autolaunch:" {
		return address
	}
	if dir := env("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return "unix:path=" + filepath.Join(dir, "bus")
	}
	return ""
}

func isOpen(ctx context.Context, address string, ref credentials.Ref) bool {
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	var unlocked, locked []dbus.ObjectPath
	wanted := map[string]string{"username": ref.Context, "service": "keyfob:" + ref.Origin}
	err = conn.Object(secretsName, secretsPath).CallWithContext(ctx, searchItems, dbus.FlagNoAutoStart, wanted).Store(&unlocked, &locked)
	if err != nil || len(unlocked) == 0 || len(locked) > 0 {
		return false
	}
	for _, path := range []dbus.ObjectPath{loginPath, defaultPath} {
		var isLocked dbus.Variant
		err := conn.Object(secretsName, path).CallWithContext(
			ctx, "org.freedesktop.DBus.Properties.Get", dbus.FlagNoAutoStart, collectionType, "Locked",
		).Store(&isLocked)
		if yes, isBool := isLocked.Value().(bool); err == nil && isBool {
			return !yes
		}
	}
	return false
}
