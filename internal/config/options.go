package config

import (
	"slices"
	"strings"
)

// Option is one setting: where it may come from, what it is called there, and what it means.
type Option struct {
	Name      string // as in `config list` and in the config file
	Flag      string // long flag without dashes; empty: none
	Short     string // its shorthand
	Env       string // environment variable; empty: none
	File      bool   // may stand in the config file
	Context   bool   // a context carries it
	Sensitive bool   // its value is never shown
	Bool      bool
	Values    []string // the only ones it can have; nil: any
	Default   string
	Usage     string
}

// The names of the options.
const (
	OptContext   = "context"
	OptURL       = "url"
	OptOrg       = "org"
	OptOutput    = "output"
	OptNoInput   = "no_input"
	OptDebug     = "debug"
	OptToken     = "token"
	OptConfigDir = "config_dir"
	OptDataDir   = "data_dir"
	OptQuiet     = "quiet"

	OptPassphrase = "passphrase"

	OptOIDCTokenFile = "oidc_token_file"
	OptIDToken       = "id_token"
)

// Options is the one table of settings; flags, environment, config file, help and tests derive from it.
// Names in backquotes are what the help calls a flag's value. A URL or a credential can never come from the config file: such a file may be shared or checked out.
func Options() []Option {
	return []Option{
		{Name: OptContext, Flag: "context", Env: "KEYFOB_CONTEXT", File: true, Usage: "`NAME` of the context to use: a service, an organisation and a user"},
		{Name: OptURL, Env: "KEYFOB_URL", Context: true, Usage: "the service's URL, instead of the context's"},
		{Name: OptOrg, Flag: "org", Env: "KEYFOB_ORG", Context: true, Usage: "`SLUG` of the organisation, instead of the context's"},
		{Name: OptToken, Env: "KEYFOB_TOKEN", Sensitive: true, Usage: "a session token; no keyring and no file is read when it is set"},
		{Name: OptOutput, Flag: "output", Short: "o", Env: "KEYFOB_OUTPUT", File: true, Values: []string{"table", "json", "yaml"}, Default: "table", Usage: "output `FORMAT`: table, json or yaml"},
		{Name: OptNoInput, Flag: "no-input", Env: "KEYFOB_NO_INPUT", File: true, Bool: true, Default: "false", Usage: "never ask; fail instead"},
		{Name: OptQuiet, Flag: "quiet", Short: "q", Bool: true, Default: "false", Usage: "print only ids, or only the secret"},
		{Name: OptDebug, Flag: "debug", Env: "KEYFOB_DEBUG", Bool: true, Default: "false", Usage: "write requests and answers to stderr, without secrets"},
		{Name: OptPassphrase, Env: "KEYFOB_PASSPHRASE", Sensitive: true, Usage: "the passphrase of a session that `auth login --encrypted-storage` keeps"},
		{Name: OptOIDCTokenFile, Env: "KEYFOB_OIDC_TOKEN_FILE", Usage: "file of a CI job's OIDC token, to be exchanged for a session"},
		{Name: OptIDToken, Env: "KEYFOB_ID_TOKEN", Sensitive: true, Usage: "a CI job's OIDC token, likewise; a name for GitLab's id_tokens"},
		{Name: OptConfigDir, Env: "KEYFOB_CONFIG_DIR", Usage: "folder of the configuration; default $XDG_CONFIG_HOME/keyfob"},
		{Name: OptDataDir, Env: "KEYFOB_DATA_DIR", Usage: "folder of a local service's data; default $XDG_DATA_HOME/keyfob"},
	}
}

// GlobalFlags names the options that every command of the command line takes.
func GlobalFlags() []string {
	return []string{OptContext, OptOrg, OptOutput, OptQuiet, OptNoInput, OptDebug}
}

// IsSecret says that a variable of the environment, NAME=VALUE, is for Keyfob alone, and not for a program that it runs. Names
// are compared as Windows does.
func IsSecret(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.ContainsFunc(Options(), func(o Option) bool { return o.Sensitive && strings.EqualFold(o.Env, name) })
}
