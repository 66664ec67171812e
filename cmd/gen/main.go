// Command gen writes what is generated and committed: the completion scripts, the manual, the tables of roles and of AI clients, and the OpenAPI document as JSON. It runs at
// build time only; `make gen` and then `git diff --exit-code` show drift.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/cli/root"
	"github.com/keyfob/keyfob/internal/cliutil"
)

func main() {
	for _, step := range []func() error{completions, openAPI, docs, roles, clients} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}

func completions() error {
	const dir = "completions"
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, shell := range root.Shells() {
		var script bytes.Buffer
		if err := shell.Write(root.New(cliutil.SystemFactory()), &script); err != nil {
			return err
		}
		if err := write(filepath.Join(dir, shell.File), script.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func openAPI() error {
	source, err := os.ReadFile(filepath.Join("pkg", "api", "openapi.yaml"))
	if err != nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := writeJSON(&out, doc.Content[0], ""); err != nil {
		return err
	}
	out.WriteByte('\n')
	return write(filepath.Join("internal", "server", "openapi.json"), out.Bytes())
}

// writeJSON writes a YAML node as JSON, its members in their order, indented by two.
func writeJSON(w *bytes.Buffer, node *yaml.Node, indent string) error {
	open, end, step := "[", "]", 1
	switch node.Kind {
	case yaml.MappingNode:
		open, end, step = "{", "}", 2
	case yaml.SequenceNode:
	default:
		return writeScalar(w, node)
	}
	if len(node.Content) == 0 {
		w.WriteString(open + end)
		return nil
	}
	deeper := indent + "  "
	for i := 0; i < len(node.Content); i += step {
		w.WriteString(open + "\n" + deeper)
		open = ","
		if step == 2 {
			if err := encode(w, node.Content[i].Value); err != nil {
				return err
			}
			w.WriteString(": ")
		}
		if err := writeJSON(w, node.Content[i+step-1], deeper); err != nil {
			return err
		}
	}
	w.WriteString("\n" + indent + end)
	return nil
}

func writeScalar(w *bytes.Buffer, node *yaml.Node) error {
	var value any
	if err := node.Decode(&value); err != nil {
		return err
	}
	return encode(w, value)
}

func encode(w *bytes.Buffer, value any) error {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	w.Write(bytes.TrimSuffix(doc.Bytes(), []byte("\n")))
	return nil
}

func write(path string, content []byte) error {
	return os.WriteFile(path, content, 0o644) //nolint:gosec // a file of the repository
}
