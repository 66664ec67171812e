package mcpclient

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Engine is what is known of a client's own program.
type Engine struct {
	// Program is its name on PATH. Empty: it has none that can be asked.
	Program string
	// Package is the npm package that installs it; that of one platform has a name which begins so.
	Package string
	// VersionDirs are folders whose entries are named by version, and which the program that PATH leads to lies in, such as
	// claude/versions of ~/.local/share/claude/versions/2.1.330.
	VersionDirs []string
	// Needs is the first version that has the rung, where an older one would ignore it.
	Needs map[Rung]string
	// HelperEnv are the variables that the program leaves to a header helper, but for Windows; empty: all.
	HelperEnv []string
	// Check is how the program itself proves a connection; nil: it can't, or not without a login.
	Check *Check
}

// Check runs a client's own program against what its files say.
type Check struct {
	argv []string
	// Stdin is written to it. With it, the program answers in lines of JSON and waits for more: close stdin after the answer.
	Stdin string
	// Env is added to the environment, each NAME=VALUE.
	Env []string
	// Seconds is how long the slowest run that was seen took, times three.
	Seconds int

	// line is what stands on one line of the output for a server that is connected.
	line []string
	// reply is the id of the JSON line that has the servers, in the form of Codex's app-server.
	reply int
}

// Argv is the command that asks for the server of the name. Its output may show the key: it is not for relaying.
func (c *Check) Argv(name string) []string { return fillWords(c.argv, theName, name) }

// Connected says whether the output, of stdout and stderr together, calls the server connected. The exit code tells
// nothing.
func (c *Check) Connected(name, output string) bool {
	for line := range strings.Lines(plain(output)) {
		if c.reply != 0 {
			if c.inReply(name, line) {
				return true
			}
			continue
		}
		if !slices.ContainsFunc(c.line, func(part string) bool { return !hasWords(line, strings.ReplaceAll(part, theName, name)) }) {
			return true
		}
	}
	return false
}

// Answered says that a program which waits for more has said all that it will, connected or not.
func (c *Check) Answered(output string) bool {
	if c.reply == 0 {
		return false
	}
	for line := range strings.Lines(output) {
		if _, ok := c.servers(line); ok && strings.HasSuffix(line, "\n") {
			return true
		}
	}
	return false
}

func (c *Check) inReply(name, line string) bool {
	list, _ := c.servers(line)
	for _, server := range list {
		if server.Name == name {
			return len(server.ServerInfo) > 0 && string(server.ServerInfo) != "null"
		}
	}
	return false
}

type listedServer struct {
	Name       string          `json:"name"`
	ServerInfo json.RawMessage `json:"serverInfo"`
}

// servers reads the line that lists them; false: it is another.
func (c *Check) servers(line string) ([]listedServer, bool) {
	var answer struct {
		ID     int `json:"id"`
		Result struct {
			Data []listedServer `json:"data"`
		} `json:"result"`
	}
	if json.Unmarshal([]byte(line), &answer) != nil || answer.ID != c.reply {
		return nil, false
	}
	return answer.Result.Data, true
}

// hasWords finds part in line where it is no piece of a longer word: "connected" is not in "disconnected".
func hasWords(line, part string) bool {
	const inWord = lower + upper + "_-"
	for from := 0; ; {
		i := strings.Index(line[from:], part)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(part)
		if (start == 0 || strings.IndexByte(inWord, line[start-1]) < 0) && (end == len(line) || strings.IndexByte(inWord, line[end]) < 0) {
			return true
		}
		from = start + 1
	}
}

// plain takes out the escape sequences of ECMA-48 that colour a terminal.
func plain(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = strings.TrimLeft(after, "0123456789;?")
		if s != "" {
			s = s[1:]
		}
	}
}

// Engine returns what is known of the client's own program.
func (c Client) Engine() Engine { return c.facts().engine }

// HelperArgv is argv of a header helper, run in the environment that the program runs it in. env is that of the program.
func (e Engine) HelperArgv(goos string, env func(string) string, argv []string) []string {
	if len(e.HelperEnv) == 0 || goos == "windows" {
		return argv
	}
	narrow := []string{"/usr/bin/env", "-i"}
	for _, name := range e.HelperEnv {
		if value := env(name); value != "" {
			narrow = append(narrow, name+"="+value)
		}
	}
	return append(narrow, argv...)
}

// Version finds the program's version without running it. resolved is the file that its name on PATH leads to through all
// links. read returns a file's content; it is asked for files named package.json alone.
func (e Engine) Version(resolved string, read func(path string) ([]byte, error)) (version string, found bool) {
	slashed := strings.ReplaceAll(resolved, `\`, "/")
	for _, dir := range e.VersionDirs {
		if _, after, ok := strings.Cut(slashed, "/"+dir+"/"); ok {
			version, _, _ := strings.Cut(after, "/")
			return version, isVersion(version)
		}
	}
	if e.Package == "" {
		return "", false
	}
	for i := strings.LastIndexByte(slashed, '/'); i > 0; i = strings.LastIndexByte(slashed[:i], '/') {
		data, err := read(resolved[:i+1] + "package.json")
		if err != nil {
			continue
		}
		var manifest struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		}
		if json.Unmarshal(data, &manifest) == nil && (manifest.Name == e.Package || strings.HasPrefix(manifest.Name, e.Package+"-")) {
			return manifest.Version, isVersion(manifest.Version)
		}
	}
	return "", false
}

// Has says whether the program of the version has the rung.
func (e Engine) Has(r Rung, version string) bool {
	needed, ok := e.Needs[r]
	return !ok || slices.Compare(numbers(version), numbers(needed)) >= 0
}

func isVersion(s string) bool { return len(numbers(s)) == 3 }

// numbers are the three numbers of a version (semver.org); a pre-release counts as its release.
func numbers(version string) []int {
	version, _, _ = strings.Cut(version, "+")
	version, _, _ = strings.Cut(version, "-")
	var out []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil
		}
		out = append(out, n)
	}
	return out
}
