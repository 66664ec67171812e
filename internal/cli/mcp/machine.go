package mcp

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/mcpclient"
	"github.com/keyfob/keyfob/internal/mcpconnect"
	"github.com/keyfob/keyfob/internal/userfile"
)

// runWait bounds what a program that is only asked something may take.
const runWait = 3 * time.Second

// NewConnector returns what works on the clients of this machine.
func NewConnector(f *cliutil.Factory) (mcpconnect.Connector, error) {
	cfg, err := f.Config()
	if err != nil {
		return mcpconnect.Connector{}, err
	}
	where, err := Machine(f)
	if err != nil {
		return mcpconnect.Connector{}, err
	}
	return mcpconnect.Connector{
		Where: where, Now: f.Now, Dir: filepath.Join(cfg.Dir, "mcp"),
		Output: func(ctx context.Context, dir string, argv ...string) ([]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, runWait)
			defer cancel()
			cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // git, a client's program, a helper that is ours
			cmd.Dir, cmd.Env, cmd.WaitDelay = dir, childEnviron(f), time.Second
			return cmd.Output()
		},
	}, nil
}

// childEnviron is what a program that we start sees: not our own credentials.
func childEnviron(f *cliutil.Factory) []string {
	return slices.DeleteFunc(f.Environ(), config.IsSecret)
}

// program is the path under which other programs start this one: the one on PATH if that is this one, since it stays when a
// package manager moves the file behind it.
func program(f *cliutil.Factory) (string, error) {
	own, err := f.Executable()
	if err != nil {
		return "", err
	}
	if found, err := exec.LookPath("keyfob"); err == nil && filepath.IsAbs(found) && sameFile(found, own) {
		return found, nil
	}
	return own, nil
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// clientFlag is --client with several values, or "all".
type clientFlag struct{ ids []string }

func (c *clientFlag) add(cmd *cobra.Command, usage string) {
	cmd.Flags().StringSliceVar(&c.ids, "client", nil, usage)
	cliutil.CompleteFlag(cmd, "client", func() []cobra.Completion {
		found := []cobra.Completion{cobra.CompletionWithDesc(allClients, "those that are found on this machine")}
		for _, c := range mcpclient.Clients() {
			found = append(found, cobra.CompletionWithDesc(c.ID, c.Title))
		}
		return found
	})
}

const allClients = "all"

// all says that no client was picked out.
func (c *clientFlag) all() bool { return slices.Contains(c.ids, allClients) }

// named returns the clients that the flag names, each once; "all" is every one.
func (c *clientFlag) named() ([]mcpclient.Client, error) {
	if c.all() {
		return mcpclient.Clients(), nil
	}
	var found []mcpclient.Client
	for _, id := range c.ids {
		known, err := chooseClient(id)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(c mcpclient.Client) bool { return c.ID == known.ID }) {
			found = append(found, known)
		}
	}
	return found, nil
}

// namedOrAll is named, and every client where the flag is not given.
func (c *clientFlag) namedOrAll() ([]mcpclient.Client, error) {
	if len(c.ids) == 0 {
		return mcpclient.Clients(), nil
	}
	return c.named()
}

// failure turns what a client's file said into what a person is told.
func failure(err error) error {
	var (
		client *mcpconnect.Error
		file   *userfile.Error
	)
	switch {
	case errors.As(err, &client):
		e := &cliutil.Error{Code: "client-file", Exit: cliutil.ExitFailed, Message: client.Error(), Hint: client.Hint, Err: err}
		for _, known := range []struct {
			kind error
			code string
			exit cliutil.Exit
		}{
			{mcpclient.ErrName, "invalid-name", cliutil.ExitUsage},
			{mcpclient.ErrAuth, "invalid-variable", cliutil.ExitUsage},
			{mcpconnect.ErrNoFile, "client-manual", cliutil.ExitManual},
			{mcpconnect.ErrRung, "client-cannot", cliutil.ExitUsage},
			{mcpconnect.ErrTracked, "file-tracked", cliutil.ExitConflict},
			{mcpconnect.ErrName, "name-taken", cliutil.ExitConflict},
			{mcpconnect.ErrNothing, "nothing-to-undo", cliutil.ExitNotFound},
			{userfile.ErrChanged, "file-changed", cliutil.ExitConflict},
		} {
			if errors.Is(err, known.kind) {
				e.Code, e.Exit = known.code, known.exit
				break
			}
		}
		return e
	case errors.As(err, &file):
		e := &cliutil.Error{Code: "client-file", Exit: cliutil.ExitFailed, Message: file.Error(), Hint: file.Hint, Err: err}
		if errors.Is(err, userfile.ErrChanged) || errors.Is(err, userfile.ErrBusy) {
			e.Code, e.Exit = "file-changed", cliutil.ExitConflict
		}
		return e
	}
	return err
}

// short writes the user's home folder as ~, for people.
func short(f *cliutil.Factory, path string) string {
	return mcpclient.Where{GOOS: f.GOOS, Env: f.Env}.Short(path)
}
