package clients_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyfob/keyfob/internal/mcpb"
)

// runBundle asks the reference implementation what a host starts for an unpacked bundle, and starts it.
const runBundle = `
const [config, dir] = process.argv.slice(1);
const { getMcpConfigForManifest } = await import(config);
const fs = await import("node:fs");
const { spawnSync } = await import("node:child_process");
const manifest = JSON.parse(fs.readFileSync(dir + "/manifest.json", "utf8"));
if (!fs.statSync(dir + "/" + manifest.server.entry_point).isFile()) throw new Error("no entry point");
const run = await getMcpConfigForManifest({
  manifest, extensionPath: dir, pathSeparator: "/", userConfig: {},
  systemDirs: { HOME: "/home/x", DESKTOP: "/home/x/Desktop", DOCUMENTS: "/home/x/Documents", DOWNLOADS: "/home/x/Downloads" },
});
const child = spawnSync(run.command, run.args, { env: { ...process.env, ...run.env }, timeout: 30000 });
if (child.error) throw child.error;
process.stdout.write(child.stdout);
`

// TestBundle has the bundle accepted by the format's own tool, and started as a host does, with a stand-in for keyfob that
// prints its arguments.
func TestBundle(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "mcpb")
	program := filepath.Join(e.home, `it's "key" $fob`)
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s\\0' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"mcp", "proxy", "--context", "", "a b", `"quoted"`, `back\slash`, "$HOME", "%PATH%", "$&", "line\nfeed", "é😀", "<&>", "{}", "*"}
	file := filepath.Join(e.home, "keyfob.mcpb")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = mcpb.Write(f, mcpb.Bundle{
		Name: "keyfob", DisplayName: "Keyfob", Version: "dev", Description: "Acme's MCP server", OS: runtime.GOOS, Command: program, Args: args,
	})
	if err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(e.home, "unpacked")
	e.run(t, "mcpb", "unpack", file, dir)
	if out := e.run(t, "mcpb", "validate", dir); !strings.Contains(out, "Manifest schema validation passes!") {
		t.Errorf("mcpb validate: %s", out)
	}
	if out := e.run(t, "mcpb", "info", file); !strings.Contains(out, "File: keyfob.mcpb") || !strings.Contains(out, "Not signed") {
		t.Errorf("mcpb info: %s", out)
	}
	config := filepath.Join(e.bin(t, "mcpb"), "..", "@anthropic-ai", "mcpb", "dist", "shared", "config.js")
	out := e.run(t, "node", "--input-type=module", "-e", runBundle, config, dir)
	if diff := cmp.Diff(args, strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")); diff != "" {
		t.Errorf("the program's arguments (-want +got):\n%s", diff)
	}

	// the tool can refuse
	manifest := filepath.Join(dir, "manifest.json")
	var doc map[string]any
	text, err := os.ReadFile(manifest)
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(doc, "server")
	broken, _ := json.Marshal(doc)
	if err := os.WriteFile(manifest, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := e.command(t.Context(), "mcpb", "validate", dir).CombinedOutput(); err == nil {
		t.Errorf("mcpb validate accepts a manifest without a server: %s", out)
	}
}
