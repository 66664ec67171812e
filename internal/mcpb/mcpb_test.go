package mcpb_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/mcpb"
	"github.com/keyfob/keyfob/pkg/secret"
)

func bundle() mcpb.Bundle {
	return mcpb.Bundle{
		Name: "keyfob", DisplayName: "Keyfob", Version: "v1.2.3", Description: "Acme's MCP server, with its key from the keyring",
		OS: "darwin", Command: "/opt/key fob/keyfob", Args: []string{"mcp", "proxy", "--context", `a "b" <c> & é`},
	}
}

func write(t *testing.T, b mcpb.Bundle) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := mcpb.Write(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// files unpacks an archive.
func files(t *testing.T, archive []byte) (names []string, contents map[string]string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	contents = map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r) // checks the sum, too
		if err != nil {
			t.Fatal(err)
		}
		if f.Mode() != 0o644 || f.Flags&0x8 != 0 || f.Modified.Format("2006-01-02") != "1980-01-01" {
			t.Errorf("%s: mode %v, flags %#x, %v", f.Name, f.Mode(), f.Flags, f.Modified)
		}
		names = append(names, f.Name)
		contents[f.Name] = string(data)
	}
	return names, contents
}

func TestWrite(t *testing.T) {
	t.Parallel()
	names, contents := files(t, write(t, bundle()))
	if diff := cmp.Diff([]string{"manifest.json", "server/README.txt"}, names); diff != "" {
		t.Error(diff)
	}
	const want = `{
  "manifest_version": "0.2",
  "name": "keyfob",
  "display_name": "Keyfob",
  "version": "1.2.3",
  "description": "Acme's MCP server, with its key from the keyring",
  "author": {
    "name": "Keyfob"
  },
  "server": {
    "type": "binary",
    "entry_point": "server/README.txt",
    "mcp_config": {
      "command": "/opt/key fob/keyfob",
      "args": [
        "mcp",
        "proxy",
        "--context",
        "a \"b\" <c> & é"
      ]
    }
  },
  "tools_generated": true,
  "compatibility": {
    "platforms": [
      "darwin"
    ]
  }
}
`
	if diff := cmp.Diff(want, contents["manifest.json"]); diff != "" {
		t.Error(diff)
	}
}

// TestSameBytes holds over versions of Go and machines, too.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	first, second := write(t, bundle()), write(t, bundle())
	if !bytes.Equal(first, second) {
		t.Error("two bundles of the same differ")
	}
	sum := sha256.Sum256(first)
	if got, want := hex.EncodeToString(sum[:]), "252152c6cf55d9067fe7cc91eb9f501ce21baa2029e472e7668da44b3bb9063b"; got != want {
		t.Errorf("SHA-256 %s, want %s: if the bundle was meant to change, pin the new one", got, want)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1.2.3": "1.2.3", "v0.1.0-3-g6461e82": "0.1.0-3-g6461e82", "1.0.0-rc.1+x": "1.0.0-rc.1+x", "1.0.0-dirty": "1.0.0-dirty",
		"dev": "0.0.0+dev", "6461e82-dirty": "0.0.0+6461e82-dirty", "1.2": "0.0.0+1-2", "01.2.3": "0.0.0+01-2-3", "": "0.0.0", "é": "0.0.0",
		"1.0.0-01": "0.0.0+1-0-0-01",
	} {
		b := bundle()
		b.Version = in
		_, contents := files(t, write(t, b))
		var m struct {
			Version string `json:"version"`
		}
		if err := json.Unmarshal([]byte(contents["manifest.json"]), &m); err != nil || m.Version != want {
			t.Errorf("%q became %q, want %q (%v)", in, m.Version, want, err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		os, command string
		ok          bool
	}{
		{"linux", "/usr/bin/keyfob", true},
		{"windows", `C:\Program Files\keyfob.exe`, true},
		{"windows", `\\host\share\keyfob.exe`, true},
		{"windows", "c:/keyfob.exe", true},
		{"windows", "/usr/bin/keyfob", false},
		{"windows", `C:keyfob.exe`, false},
		{"linux", `C:\keyfob.exe`, false},
		{"linux", "keyfob", false},
		{"linux", "./keyfob", false},
		{"linux", "", false},
		{"plan9", "/bin/keyfob", false},
		{"", "/bin/keyfob", false},
	} {
		b := bundle()
		b.OS, b.Command = tt.os, tt.command
		if err := mcpb.Write(io.Discard, b); (err == nil) != tt.ok {
			t.Errorf("%s on %q: %v", tt.command, tt.os, err)
		}
	}
}

// TestWriteRefuses and then writes nothing and repeats no secret.
func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	key, session := secret.New(secret.Key).Reveal(), secret.New(secret.Session).Reveal()
	for name, change := range map[string]func(*mcpb.Bundle){
		"key":                 func(b *mcpb.Bundle) { b.Args = []string{"--key=" + key} },
		"key of a session":    func(b *mcpb.Bundle) { b.Description = "x " + session },
		"key in the command":  func(b *mcpb.Bundle) { b.Command = "/" + key },
		"variable":            func(b *mcpb.Bundle) { b.Args = []string{"${HOME}/x"} },
		"variable, and a key": func(b *mcpb.Bundle) { b.Args = []string{"${HOME}" + key} },
		"variable in command": func(b *mcpb.Bundle) { b.Command = "/${user_config.x}" },
		"no name":             func(b *mcpb.Bundle) { b.Name = "" },
		"path for a name":     func(b *mcpb.Bundle) { b.Name = "../x" },
		"long name":           func(b *mcpb.Bundle) { b.Name = strings.Repeat("x", 65) },
		"no display name":     func(b *mcpb.Bundle) { b.DisplayName = "" },
		"no description":      func(b *mcpb.Bundle) { b.Description = "" },
		"NUL":                 func(b *mcpb.Bundle) { b.Args = []string{"a\x00b"} },
		"not UTF-8":           func(b *mcpb.Bundle) { b.Args = []string{"\xff"} },
	} {
		b := bundle()
		change(&b)
		var out bytes.Buffer
		err := mcpb.Write(&out, b)
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case out.Len() > 0:
			t.Errorf("%s: %d bytes were written", name, out.Len())
		case strings.Contains(err.Error(), key) || strings.Contains(err.Error(), session):
			t.Errorf("%s: the error repeats the secret", name)
		case strings.Contains(name, "key") != errors.Is(err, mcpb.ErrSecret):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWriteSaysWhenItCannot(t *testing.T) {
	t.Parallel()
	for _, room := range []int{0, 10, 700, len(write(t, bundle())) - 1} {
		if err := mcpb.Write(&small{room}, bundle()); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
}

// small is a disk that fills up.
type small struct{ room int }

func (s *small) Write(b []byte) (int, error) {
	n := min(len(b), s.room)
	s.room -= n
	if n < len(b) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
