// Package mcpb writes an extension bundle (.mcpb, once .dxt) for Claude Desktop and whoever else installs such files: an
// archive whose manifest starts a program on this machine as an MCP server over stdio.
//
// The program is not copied into the bundle. Claude Desktop unpacks files without the right to execute them
// (github.com/modelcontextprotocol/mcpb/issues/294), and a copy of ten megabytes would age; the manifest's command is the
// absolute path instead. entry_point, which every manifest must have, names a file that says so.
//
// A bundle is passed around, so it never holds a key: Write refuses one. The package must not know the service, the keyring
// or the clients' own files.
package mcpb

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyfob/keyfob/internal/keyscan"
)

const (
	// manifestVersion is the oldest that has all we use, which the most hosts read; `mcpb init` 2.1.2 writes it, too.
	// Source: MANIFEST.md of github.com/modelcontextprotocol/mcpb, read 2026-11-25.
	manifestVersion = "0.2"

	manifestName = "manifest.json"
	entryPoint   = "server/README.txt"
	entryText    = "This extension runs the program that manifest.json names under server.mcp_config.\n" +
		"It must be installed on this machine. No key is kept here.\n"
)

// ErrSecret says that a bundle would hold a secret.
var ErrSecret = errors.New("a bundle must not hold a secret")

// Bundle is what an extension shows and starts.
type Bundle struct {
	Name        string // for programs: letters, digits, dots, hyphens and underscores
	DisplayName string // for people
	// Version is semantic, a leading v being left out. What else a build calls itself becomes 0.0.0+itself.
	Version     string
	Description string
	OS          string // the machine's, as runtime.GOOS has it; the extension installs on no other
	Command     string // the program's absolute path on that machine
	Args        []string
}

// The manifest's fields, in MANIFEST.md's order.
type (
	manifest struct {
		ManifestVersion string        `json:"manifest_version"`
		Name            string        `json:"name"`
		DisplayName     string        `json:"display_name"`
		Version         string        `json:"version"`
		Description     string        `json:"description"`
		Author          author        `json:"author"`
		Server          server        `json:"server"`
		ToolsGenerated  bool          `json:"tools_generated"`
		Compatibility   compatibility `json:"compatibility"`
	}
	author struct {
		Name string `json:"name"`
	}
	server struct {
		Type       string    `json:"type"`
		EntryPoint string    `json:"entry_point"`
		Config     mcpConfig `json:"mcp_config"`
	}
	mcpConfig struct {
		Command string   `json:"command"`
		Args    []string `json:"args"`
	}
	compatibility struct {
		Platforms []string `json:"platforms"`
	}
)

// Write writes the bundle. The same Bundle gives the same bytes. It fails before the first byte where the bundle is not one that
// a host would run as it stands; ErrSecret says that it holds a secret.
func Write(w io.Writer, b Bundle) error {
	platform, err := b.check()
	if err != nil {
		return err
	}
	m := manifest{
		ManifestVersion: manifestVersion, Name: b.Name, DisplayName: b.DisplayName, Version: semantic(b.Version),
		Description: b.Description,
		Author:      author{"Keyfob"},
		Server:      server{"binary", entryPoint, mcpConfig{b.Command, append([]string{}, b.Args...)}},
		// the tools are the hosted server's
		ToolsGenerated: true,
		Compatibility:  compatibility{[]string{platform}},
	}
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	z := zip.NewWriter(w)
	for _, f := range []struct {
		name string
		data []byte
	}{{manifestName, doc.Bytes()}, {entryPoint, []byte(entryText)}} {
		if err := add(z, f.name, f.data); err != nil {
			return fmt.Errorf("write the bundle: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write the bundle: %w", err)
	}
	return nil
}

// add stores a file as it is: a compressor may give other bytes in another version. Its size and sum stand before it, for
// readers that don't go to the archive's end first.
func add(z *zip.Writer, name string, data []byte) error {
	const version, newYear1980 = 20, 1<<5 | 1
	h := &zip.FileHeader{
		Name: name, Method: zip.Store, ReaderVersion: version,
		CRC32:              crc32.ChecksumIEEE(data),
		CompressedSize64:   uint64(len(data)),
		UncompressedSize64: uint64(len(data)),
		ModifiedDate:       newYear1980, //nolint:staticcheck // CreateRaw reads no other; the earliest date there is
	}
	h.SetMode(0o644)
	h.CreatorVersion |= version
	w, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// check returns the platform by its name in a manifest. Secrets come first, so that no error repeats one.
func (b Bundle) check() (string, error) {
	run := append([]string{b.Command}, b.Args...)
	for _, s := range append([]string{b.Name, b.DisplayName, b.Version, b.Description}, run...) {
		switch {
		case len(keyscan.Text([]byte(s))) > 0:
			return "", ErrSecret
		case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
			return "", errors.New("an extension's manifest can hold only valid UTF-8 without NUL")
		}
	}
	platform, ok := map[string]string{"darwin": "darwin", "linux": "linux", "windows": "win32"}[b.OS]
	replaced := slices.IndexFunc(run, func(s string) bool { return strings.Contains(s, "${") })
	switch {
	case !ok:
		return "", fmt.Errorf("an extension can't run on %q", b.OS)
	case !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(b.Name):
		return "", errors.New("an extension's name has letters, digits, dots, hyphens and underscores, at most 64")
	case b.DisplayName == "" || b.Description == "":
		return "", errors.New("an extension needs a name for people and a description")
	case !absolute(b.OS, b.Command):
		return "", fmt.Errorf("an extension's program must be an absolute path, not %q", b.Command)
	case replaced >= 0: // there is no way to escape it
		return "", fmt.Errorf("the extension's host would replace the ${ in %q", run[replaced])
	}
	return platform, nil
}

// absolute is filepath.IsAbs for the system of that name.
func absolute(goos, path string) bool {
	if goos == "windows" {
		return regexp.MustCompile(`^([A-Za-z]:[\\/]|\\\\[^\\])`).MatchString(path)
	}
	return strings.HasPrefix(path, "/")
}

// semantic makes a semantic version of what a build calls itself. Source of the rule: semver.org, 2.0.0.
func semantic(version string) string {
	version = strings.TrimPrefix(version, "v")
	const number, word = `(0|[1-9][0-9]*)`, `(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)`
	form := `^` + number + `\.` + number + `\.` + number + `(-` + word + `(\.` + word + `)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`
	if regexp.MustCompile(form).MatchString(version) {
		return version
	}
	if build := strings.Trim(regexp.MustCompile(`[^0-9A-Za-z-]+`).ReplaceAllString(version, "-"), "-"); build != "" {
		return "0.0.0+" + build
	}
	return "0.0.0"
}
