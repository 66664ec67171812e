//go:build dragonfly || freebsd || linux || netbsd || openbsd

package credentials

import (
	"context"
	"path/filepath"

	"github.com/godbus/dbus/v5"
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

// Unlocked says that reading the session from the OS keyring asks nobody: it is there, the collection that go-keyring takes
// is unlocked, and so is the item. Nothing is started and nothing unlocked to find out.
func Unlocked(ctx context.Context, env func(string) string, ref Ref) bool {
	address := busAddress(env)
	if address == "" {
		return false
	}
	open := make(chan bool, 1) // signing in to a bus can't be cancelled; a late answer must find room
	go func() {
		conn, err := dbus.Connect(address, dbus.WithContext(ctx))
		if err != nil {
			open <- false
			return
		}
		defer func() { _ = conn.Close() }()
		found, unlocked, err := lookUp(ctx, conn, dbus.FlagNoAutoStart, "keyfob:"+ref.Origin, ref.Context)
		open <- err == nil && found && unlocked
	}()
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

// opensUnasked says that go-keyring would have nobody unlock anything to read or write the item. It takes go-keyring's own
// connection, and like that starts the keyring where it does not run yet. It is as long as the keyring is slow.
func opensUnasked(service, user string) (bool, error) {
	conn, err := dbus.SessionBus()
	if err != nil {
		return false, err
	}
	_, unlocked, err := lookUp(conn.Context(), conn, 0, service, user)
	return unlocked, err
}

// lookUp says whether the item is there, and whether nothing on the way to it is locked.
func lookUp(ctx context.Context, conn *dbus.Conn, flags dbus.Flags, service, user string) (found, unlocked bool, err error) {
	var open, locked []dbus.ObjectPath
	wanted := map[string]string{"username": user, "service": service}
	if err := conn.Object(secretsName, secretsPath).CallWithContext(ctx, searchItems, flags, wanted).Store(&open, &locked); err != nil {
		return false, false, err
	}
	if len(locked) > 0 {
		return true, false, nil
	}
	for _, path := range []dbus.ObjectPath{loginPath, defaultPath} {
		var isLocked dbus.Variant
		err := conn.Object(secretsName, path).CallWithContext(
			ctx, "org.freedesktop.DBus.Properties.Get", flags, collectionType, "Locked",
		).Store(&isLocked)
		if yes, isBool := isLocked.Value().(bool); err == nil && isBool {
			return len(open) > 0, !yes, nil
		}
	}
	return len(open) > 0, false, nil
}
