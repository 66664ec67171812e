// Package testbus is a private D-Bus session bus for tests, with the real gnome-keyring on it or with a Secret Service that
// has a chosen fault. It must not know Keyfob.
package testbus
