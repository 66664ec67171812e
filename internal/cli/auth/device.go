package auth

import (
	"context"
	"errors"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/client"
	"github.com/keyfob/keyfob/pkg/secret"
)

// clientID is what the service's page calls this program.
const clientID = "keyfob"

// deviceToken has a person approve this machine on a page of the service (RFC 8628). What to open is printed before anything
// is opened, so that it works over SSH, too.
func deviceToken(ctx context.Context, opts *LoginOptions, origin string) (secret.Secret, error) {
	c, err := opts.NewClient(origin, secret.Secret{})
	if err != nil {
		return secret.Secret{}, err
	}
	host, err := opts.Hostname()
	if err != nil {
		host = "" // the page then shows the address alone
	}
	device, err := c.StartDevice(ctx, clientID, host)
	if err != nil {
		return secret.Secret{}, err
	}
	// Not a note: without these lines nobody can sign in, so --quiet does not silence them.
	say := func(text string) { _, _ = opts.Out.IO.ErrOut.Write([]byte(text + "\n")) }
	say("Open " + cliutil.Printable(device.URL) + " and enter the code " + device.UserCode)
	if !opts.NoBrowser && opts.HasBrowser() {
		if err := opts.OpenBrowser(device.Complete); err != nil {
			say("No browser could be opened here; open the page yourself.")
		} else {
			say("A browser was opened: see that it shows the same code.")
		}
	}
	say("Waiting for up to " + cliutil.Span(device.Lifetime) + " until you approve it there …")
	token, err := c.AwaitDevice(ctx, device)
	switch {
	case errors.Is(err, client.ErrDenied):
		return token, deviceFailed("sign-in-denied", err, "run the command again to be asked again")
	case errors.Is(err, client.ErrExpired):
		return token, deviceFailed("sign-in-expired", err, "run the command again for a new code")
	}
	return token, err
}

func deviceFailed(code string, err error, hint string) *cliutil.Error {
	return &cliutil.Error{Code: code, Exit: cliutil.ExitAuth, Message: err.Error(), Hint: hint, Err: err}
}

// hasBrowser says whether a browser that is opened here is one that the person sees: not over SSH, and not without a display.
func hasBrowser(goos string, env func(string) string) bool {
	if env("SSH_CONNECTION") != "" || env("SSH_TTY") != "" {
		return false
	}
	switch goos {
	case "linux", "freebsd", "openbsd", "netbsd":
		return env("DISPLAY") != "" || env("WAYLAND_DISPLAY") != "" || env("WSL_DISTRO_NAME") != ""
	}
	return true
}
