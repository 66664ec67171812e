package quickstart

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/localservice"
)

// service is the keyfobd that this run talks to: its own, or one that served the data directory already.
type service struct {
	localservice.Info

	process *localservice.Process // nil: it was running before
}

// openService joins the service that holds the data directory, or starts one on the first free port.
func openService(ctx context.Context, launcher localservice.Launcher) (*service, error) {
	if info, running := localservice.Running(launcher.DataDir); running {
		return &service{Info: info}, nil
	}
	var last error
	for port := firstPort; port < firstPort+portTries; port++ {
		listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if !free(ctx, listen) {
			continue
		}
		process, err := launcher.Start(ctx, listen)
		if err == nil {
			return &service{Info: process.Info, process: process}, nil
		}
		var failure *cliutil.Error
		if !errors.As(err, &failure) || failure.Code != "address-in-use" {
			return nil, err
		}
		last = err // somebody took the port in between
	}
	if last != nil {
		return nil, last
	}
	return nil, &cliutil.Error{
		Code: "address-in-use", Exit: cliutil.ExitConflict,
		Message: "the ports " + strconv.Itoa(firstPort) + " to " + strconv.Itoa(firstPort+portTries-1) + " on 127.0.0.1 are all taken",
		Hint:    "stop what uses them, or choose one: keyfob serve --listen 127.0.0.1:PORT",
	}
}

func free(ctx context.Context, address string) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

// wait serves until Ctrl-C, which is how a quickstart ends well.
func (s *service) wait(ctx context.Context, opts *Options) error {
	if s.process == nil {
		opts.Out.Note("The service was running already (pid %d); it goes on.", s.PID)
		return nil
	}
	opts.Out.Note("Serving until Ctrl-C.")
	select {
	case <-ctx.Done():
		opts.Out.Note("Stopping.")
		return nil
	case <-s.process.Done():
		return s.process.Err()
	}
}

func (s *service) stop() error {
	if s.process == nil {
		return nil
	}
	return s.process.Stop()
}
