// Package acceptance runs the real binaries against a real service, one script a promise.
package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keyfob/keyfob/internal/store/storetest/dbtest"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	bin, err := os.MkdirTemp("", "keyfob-acceptance-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(bin) }()
	build := exec.Command("go", "build", "-o", bin, "../../cmd/keyfob", "../../cmd/keyfobd", "../vendorcli")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binaries: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("KEYFOB_TEST_BIN", bin); err != nil {
		return 1
	}
	return dbtest.Run(m)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		Setup:               setup,
		Cmds:                commands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// setup gives each script a home of its own and nothing of this machine but PATH.
func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	env.Values[quickstartKey{}] = &held{}
	bin := os.Getenv("KEYFOB_TEST_BIN")
	env.Setenv("HOME", home)
	env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("USER", "ada")
	env.Setenv("BIN", bin)
	env.Setenv("GOOS", runtime.GOOS)
	env.Setenv("SHELL", "/bin/sh")
	env.Setenv("BIDI", "ci\u202etxt")
	return os.WriteFile(filepath.Join(env.WorkDir, "long.json"), []byte(`{"name":"`+strings.Repeat("x", 1<<20)+`"}`), 0o600)
}
