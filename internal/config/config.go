// Package config resolves the CLI's options (flag, then environment, then context, then config file, then default) and keeps the contexts.
//
// Nothing is read before Load is called, and Load reads at most the config file and one context. The package must not
// know credentials, the network or the commands.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// EnvDir is the variable that names the folder of the configuration.
const EnvDir = "KEYFOB_CONFIG_DIR"

// configFile is the user's own file in the folder of the configuration.
const configFile = "config.yaml"

// Origin is where an option's value came from.
type Origin string

// The origins, strongest first.
const (
	OriginFlag    Origin = "flag"
	OriginEnv     Origin = "environment"
	OriginContext Origin = "context"
	OriginFile    Origin = "file"
	OriginDefault Origin = "default"
)

// Params is what Load starts from.
type Params struct {
	Env   func(string) string
	Flags *pflag.FlagSet // may be nil
	GOOS  string
}

// Config is the resolved options.
type Config struct {
	// Dir is the folder of the configuration; it need not exist.
	Dir string
	// Context is the selected context; nil: none was ever made, or it can't be read.
	Context *Context

	v          *viper.Viper
	origins    map[string]Origin
	contextErr error
}

// Error says what is wrong with the configuration, where, and what to do.
type Error struct {
	Msg  string
	Hint string
	// Missing says that what was named does not exist.
	Missing bool
	// Usage says that an argument, a flag or a variable has a value that can't be.
	Usage bool
	err   error
}

// Error returns the message.
func (e *Error) Error() string { return e.Msg }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Load resolves the options. Its errors are *Error. A context that is missing or damaged is left to ContextErr: commands
// that need none, and the one that makes it, go on.
func Load(p Params) (*Config, error) {
	dir, err := Dir(p.Env, p.GOOS)
	if err != nil {
		return nil, err
	}
	// The delimiter is one that no option's name holds: viper's own, the dot, would split names.
	c := &Config{Dir: dir, v: viper.NewWithOptions(viper.KeyDelimiter("::")), origins: map[string]Origin{}}
	if err := c.readFile(); err != nil {
		return nil, err
	}
	if err := c.override(p); err != nil {
		return nil, err
	}
	c.contextErr = c.selectContext()
	return c, nil
}

// String returns an option's value.
func (c *Config) String(name string) string { return c.v.GetString(name) }

// Bool returns an option's value.
func (c *Config) Bool(name string) bool { return c.v.GetBool(name) }

// ContextErr says why the selected context can't be used; nil when it can, or none is selected.
func (c *Config) ContextErr() error { return c.contextErr }

// Origin returns where an option's value came from.
func (c *Config) Origin(name string) Origin {
	if o, ok := c.origins[name]; ok {
		return o
	}
	return OriginDefault
}

func (c *Config) readFile() error {
	path := filepath.Join(c.Dir, configFile)
	c.v.SetConfigFile(path)
	err := c.v.ReadInConfig()
	var missing viper.ConfigFileNotFoundError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return &Error{
			Msg:  fmt.Sprintf("the config file %s can't be read: %s", path, oneLine(err)),
			Hint: "mend the file or move it away; it is YAML with the options of `keyfob help environment`", err: err,
		}
	}
	return c.checkFile(path)
}

// checkFile refuses what a file may not set, so that a typo or a planted URL is never silently ignored.
func (c *Config) checkFile(path string) error {
	allowed := map[string]Option{}
	for _, o := range Options() {
		if o.File {
			allowed[o.Name] = o
		}
	}
	for _, key := range c.v.AllKeys() {
		o, ok := allowed[key]
		if !ok {
			return &Error{
				Msg:  fmt.Sprintf("the config file %s sets %q, which a file can't set", path, key),
				Hint: "a file may set: " + strings.Join(fileOptions(), ", "),
			}
		}
		if err := o.check(fmt.Sprintf("%s in %s", key, path), c.v.GetString(key)); err != nil {
			return err
		}
		c.origins[key] = OriginFile
	}
	return nil
}

func fileOptions() []string {
	var names []string
	for _, o := range Options() {
		if o.File {
			names = append(names, o.Name)
		}
	}
	return names
}

func (c *Config) override(p Params) error {
	for _, o := range Options() {
		c.v.SetDefault(o.Name, o.Default)
		if p.Flags != nil && o.Flag != "" {
			if f := p.Flags.Lookup(o.Flag); f != nil && f.Changed {
				c.v.Set(o.Name, f.Value.String())
				c.origins[o.Name] = OriginFlag
				continue
			}
		}
		if o.Env == "" {
			continue
		}
		value := p.Env(o.Env)
		if value == "" {
			continue
		}
		if err := o.check(o.Env, value); err != nil {
			return asUsage(err)
		}
		c.v.Set(o.Name, value)
		c.origins[o.Name] = OriginEnv
	}
	return nil
}

// check refuses a value that the option can't have; where names who gave it.
func (o Option) check(where, value string) *Error {
	if o.Bool {
		if _, err := strconv.ParseBool(value); err != nil {
			return &Error{Msg: fmt.Sprintf("%s is %q, which is neither true nor false", where, value), Hint: "use true or false"}
		}
	}
	if len(o.Values) > 0 && !slices.Contains(o.Values, value) {
		return &Error{Msg: fmt.Sprintf("%s can't be %q", where, value), Hint: "use one of " + strings.Join(o.Values, ", ")}
	}
	return nil
}

func asUsage(err *Error) *Error {
	err.Usage = true
	return err
}

func (c *Config) selectContext() error {
	name := c.String(OptContext)
	if name == "" {
		current, err := Current(c.Dir)
		if err != nil {
			return err
		}
		name = current
	}
	if name == "" {
		return nil
	}
	ctx, err := ReadContext(c.Dir, name)
	if err != nil {
		return err
	}
	c.Context = ctx
	for option, value := range map[string]string{OptContext: ctx.Name, OptURL: ctx.URL, OptOrg: ctx.Org} {
		if value == "" || c.v.GetString(option) != "" {
			continue
		}
		c.v.Set(option, value)
		c.origins[option] = OriginContext
	}
	return nil
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// Dir returns the folder of the configuration: KEYFOB_CONFIG_DIR, else keyfob below the user's configuration folder
// (XDG Base Directory Specification; %AppData% on Windows).
func Dir(env func(string) string, goos string) (string, error) {
	return userDir(env, goos, EnvDir, "XDG_CONFIG_HOME", "AppData", ".config")
}

// DataDir returns the folder of a local service's data: KEYFOB_DATA_DIR, else keyfob below the user's data folder
// (XDG Base Directory Specification; %LocalAppData% on Windows).
func DataDir(env func(string) string, goos string) (string, error) {
	return userDir(env, goos, "KEYFOB_DATA_DIR", "XDG_DATA_HOME", "LocalAppData", filepath.Join(".local", "share"))
}

func userDir(env func(string) string, goos, own, xdg, windows, underHome string) (string, error) {
	if dir := env(own); dir != "" {
		return filepath.Abs(dir)
	}
	if goos == "windows" {
		if dir := env(windows); dir != "" {
			return filepath.Join(dir, "keyfob"), nil
		}
		return "", &Error{Msg: windows + " is not set, so there is no folder to use", Hint: "set " + own}
	}
	// The XDG specification has relative paths ignored.
	if dir := env(xdg); filepath.IsAbs(dir) {
		return filepath.Join(dir, "keyfob"), nil
	}
	home := env("HOME")
	if home == "" {
		return "", &Error{Msg: "HOME is not set, so there is no folder to use", Hint: "set HOME or " + own}
	}
	if !filepath.IsAbs(home) {
		return "", &Error{Msg: fmt.Sprintf("HOME is %q, which is not an absolute path", home), Hint: "set HOME or " + own}
	}
	return filepath.Join(home, underHome, "keyfob"), nil
}

// ensureDir makes the folder, readable by its owner alone.
func ensureDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &Error{Msg: fmt.Sprintf("the folder %s can't be made: %s", dir, oneLine(err)), Hint: "set KEYFOB_CONFIG_DIR to a folder you can write", err: err}
	}
	return nil
}
