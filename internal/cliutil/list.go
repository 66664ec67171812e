package cliutil

import (
	"bufio"
	"bytes"
	"encoding/json"
	"iter"
)

// List writes a list as one object, {"NAME":[…],"next_page_token":""}, item by item as they come: memory does not grow with
// the list. As JSON an item is indented on a terminal and one line elsewhere; a json.RawMessage is passed on as it is. When the items end in an error nothing follows them, so that half
// a list is no valid document; the error is returned.
func (o *Output) List(name string, items iter.Seq2[any, error]) error {
	w := bufio.NewWriterSize(o.IO.Out, 64<<10)
	list := o.jsonList
	if o.Format == FormatYAML {
		list = yamlList
	}
	if err := list(w, name, items); err != nil {
		return err
	}
	return w.Flush()
}

func (o *Output) jsonList(w *bufio.Writer, name string, items iter.Seq2[any, error]) error {
	first := true
	for item, err := range items {
		if err != nil {
			return err
		}
		const indent = "    "
		doc, err := o.listItem(item, indent)
		if err != nil {
			return err
		}
		separator := ",\n"
		if first {
			separator = "{\n  \"" + name + "\": [\n"
			first = false
		}
		_, _ = w.WriteString(separator + indent)
		if _, err := w.Write(bytes.TrimSuffix(doc, []byte("\n"))); err != nil {
			return err
		}
	}
	if first {
		_, err := w.WriteString("{\n  \"" + name + "\": [],\n  \"next_page_token\": \"\"\n}\n")
		return err
	}
	_, err := w.WriteString("\n  ],\n  \"next_page_token\": \"\"\n}\n")
	return err
}

func yamlList(w *bufio.Writer, name string, items iter.Seq2[any, error]) error {
	first := true
	for item, err := range items {
		if err != nil {
			return err
		}
		doc, err := marshalJSON([]any{item}, "")
		if err != nil {
			return err
		}
		if doc, err = jsonToYAML(doc); err != nil {
			return err
		}
		if first {
			_, _ = w.WriteString(name + ":\n")
			first = false
		}
		for line := range bytes.Lines(doc) {
			_, _ = w.WriteString("  ")
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
	if first {
		_, _ = w.WriteString(name + ": []\n")
	}
	_, err := w.WriteString("next_page_token: \"\"\n")
	return err
}

// listItem writes one item of a list without its end of line.
func (o *Output) listItem(item any, indent string) ([]byte, error) {
	if o.IO.OutTTY {
		return marshalJSON(item, indent)
	}
	if raw, ok := item.(json.RawMessage); ok {
		return printableJSON(raw), nil
	}
	doc, err := json.Marshal(item)
	return printableJSON(doc), err
}
