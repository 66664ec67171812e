package cliutil

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"text/tabwriter"
)

func benchRows() [][]string {
	rows := make([][]string, 1000)
	for i := range rows {
		rows[i] = []string{fmt.Sprintf("name of key %d", i), "enabled", "kf_…abcd", "2 minutes ago", "3 days ago", "ada"}
	}
	return rows
}

// BenchmarkTable writes 1 000 rows as on a terminal, as in a pipe, and, to compare, with text/tabwriter.
func BenchmarkTable(b *testing.B) {
	rows := benchRows()
	header := []string{"NAME", "STATUS", "HINT", "LAST USED", "CREATED", "CREATOR"}
	for _, terminal := range []bool{true, false} {
		o := &Output{Format: FormatTable, IO: &IOStreams{Out: io.Discard, OutTTY: terminal}}
		b.Run(map[bool]string{true: "terminal", false: "pipe"}[terminal], func(b *testing.B) {
			for b.Loop() {
				if err := o.Table(header, rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("text/tabwriter", func(b *testing.B) {
		for b.Loop() {
			w := tabwriter.NewWriter(io.Discard, 0, 0, 2, ' ', 0)
			for _, row := range rows {
				_, _ = io.WriteString(w, strings.Join(row, "\t")+"\n")
			}
			if err := w.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
