package auth

import (
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/internal/config"
	"github.com/keyfob/keyfob/internal/credentials"
)

// storage is where login is told to keep the session; without any flag that is the OS keyring.
type storage struct {
	helper    string
	encrypted bool
	insecure  bool
}

// The flags of storage, of which one can be given.
const (
	flagHelper    = "credential-helper"
	flagEncrypted = "encrypted-storage"
	flagInsecure  = "insecure-storage"
)

func (s *storage) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.helper, flagHelper, "", "keep the session with this `PROGRAM`, run as PROGRAM get|store|erase")
	flags.BoolVar(&s.encrypted, flagEncrypted, false, "keep the session in a file that a passphrase encrypts")
	flags.BoolVar(&s.insecure, flagInsecure, false, "keep the session in a plain file that only you can read")
}

// apply writes the place that the flags name into the context; without any it keeps the one that it has.
func (s *storage) apply(c *config.Context) {
	var kind credentials.Kind
	switch {
	case s.helper != "":
		kind = credentials.KindHelper
	case s.encrypted:
		kind = credentials.KindEncrypted
	case s.insecure:
		kind = credentials.KindPlain
	default:
		return
	}
	c.Store, c.Helper, c.LocalDir = string(kind), s.helper, ""
}

// check makes a helper that is named by a path one that is found from every folder.
func (s *storage) check() error {
	if s.helper == "" || filepath.Base(s.helper) == s.helper {
		return nil // on PATH
	}
	path, err := filepath.Abs(s.helper)
	if err != nil {
		return cliutil.UsageError("--%s %q: %v", flagHelper, cliutil.Printable(s.helper), err)
	}
	s.helper = path
	return nil
}
