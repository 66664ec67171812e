package cliutil

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
	"go.yaml.in/yaml/v3"

	"github.com/keyfob/keyfob/internal/config"
)

// Format is how a command's payload is written.
type Format string

// The output formats.
const (
	FormatTable Format = "table"
	FormatJSON  Format = "json"
	FormatYAML  Format = "yaml"
)

// Formats lists the formats, for validation and completion, as the table of options has them.
func Formats() []string {
	for _, o := range config.Options() {
		if o.Name == config.OptOutput {
			return o.Values
		}
	}
	return nil
}

// Output writes a command's payload in the format that was asked for.
type Output struct {
	Format Format
	Quiet  bool
	// NoInput forbids to ask.
	NoInput bool
	IO      *IOStreams
	// Style is stdout's.
	Style Style

	in *bufio.Reader // of IO.In, once something was asked
}

func newOutput(io *IOStreams, env func(string) string, format string, quiet, noInput bool) (*Output, error) {
	if !slices.Contains(Formats(), format) {
		return nil, UsageError("%q is no output format; use %s", format, strings.Join(Formats(), ", "))
	}
	return &Output{Format: Format(format), Quiet: quiet, NoInput: noInput, IO: io, Style: NewStyle(env, io.OutTTY)}, nil
}

// Structured says that the payload must be one JSON or YAML object.
func (o *Output) Structured() bool { return o.Format.Structured() }

// Structured is Output.Structured of this format.
func (f Format) Structured() bool { return f == FormatJSON || f == FormatYAML }

// Object writes v, whose shape is its JSON shape, as JSON or YAML.
func (o *Output) Object(v any) error {
	doc, err := marshalJSON(v, "")
	if err != nil {
		return err
	}
	if o.Format == FormatYAML {
		if doc, err = jsonToYAML(doc); err != nil {
			return err
		}
	}
	_, err = o.IO.Out.Write(doc)
	return err
}

// ObjectLine writes v as JSON on one line, for output that has no end.
func (o *Output) ObjectLine(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := o.IO.Out.Write(printableJSON(b.Bytes()))
	return err
}

// TakesSecret fails where a secret that is made to be printed would be lost. It is asked before there is one.
func (o *Output) TakesSecret() error {
	if o.IO.OutNowhere == nil || !o.IO.OutNowhere() {
		return nil
	}
	return &Error{
		Code: "output-closed", Exit: ExitFailed, Message: "stdout leads nowhere, so the secret would be lost",
		Hint: "let stdout go to a pipe or a file",
	}
}

// SecretNotWritten says that what was made is there though nobody has its secret: the same command again would find its name taken.
// It is nil for a nil err.
func SecretNotWritten(err error, made, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Code: "secret-not-written", Exit: ExitFailed, Err: err, Message: made + " could not be written: " + err.Error(), Hint: hint}
}

// Line writes one line of payload.
func (o *Output) Line(format string, args ...any) error {
	_, err := fmt.Fprintf(o.IO.Out, format+"\n", args...)
	return err
}

// Note writes one line for a person to stderr; quiet silences it.
func (o *Output) Note(format string, args ...any) {
	if !o.Quiet {
		_, _ = fmt.Fprintf(o.IO.ErrOut, format+"\n", args...)
	}
}

// Table writes rows as aligned columns under a header on a terminal, and elsewhere as tab-separated lines without one.
// Every cell is made printable.
func (o *Output) Table(header []string, rows [][]string) error {
	for _, row := range rows {
		PrintableAll(row)
	}
	if !o.IO.OutTTY {
		return writeTabs(o.IO.Out, rows)
	}
	table := tablewriter.NewTable(o.IO.Out,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  "}),
	)
	table.Header(header)
	if err := table.Bulk(rows); err != nil {
		return err
	}
	return table.Render()
}

func writeTabs(w io.Writer, rows [][]string) error {
	for _, row := range rows {
		if _, err := io.WriteString(w, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// marshalJSON keeps <, > and & as they are (URLs stay readable) and lets nothing through that a terminal would obey. The
// lines after the first begin with prefix.
func marshalJSON(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return printableJSON(b.Bytes()), nil
}

// jsonToYAML re-writes a JSON document, which is YAML already, in block style; the order of its members stays.
func jsonToYAML(doc []byte) ([]byte, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(doc, &node); err != nil {
		return nil, err
	}
	blockStyle(&node)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func blockStyle(n *yaml.Node) {
	// Strings keep their quotes: a bare 1e3, no or 2026-01-01 would come back as something else.
	if n.Kind != yaml.ScalarNode {
		n.Style = 0
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			if isPlainName(child.Value) {
				child.Style = 0
			}
			continue
		}
		blockStyle(child)
	}
}

// isPlainName says that a member's name needs no quotes in any version of YAML; tags have names of the user's choice.
func isPlainName(s string) bool {
	switch s {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}
