package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra/doc"

	"github.com/keyfob/keyfob/internal/cli/root"
	"github.com/keyfob/keyfob/internal/cliutil"
)

// docs writes the manual: a Markdown page and a man page for each command, and a Markdown page for each topic.
func docs() error {
	tree := root.New(cliutil.SystemFactory())
	tree.DisableAutoGenTag = true // the day of the build would be drift
	if err := fresh(filepath.Join("docs", "cli"), func(dir string) error { return doc.GenMarkdownTree(tree, dir) }); err != nil {
		return err
	}
	for _, t := range root.Topics() {
		page := fmt.Sprintf("# %s\n\n```text\n%s```\n", t.Short, t.Text())
		if err := write(filepath.Join("docs", "cli", "topic_"+t.Name+".md"), []byte(page)); err != nil {
			return err
		}
	}
	return fresh(filepath.Join("docs", "man"), func(dir string) error {
		day := time.Unix(0, 0)
		return doc.GenManTree(tree, &doc.GenManHeader{Section: "1", Source: "Keyfob", Manual: "Keyfob", Date: &day}, dir)
	})
}

// fresh fills a folder anew, so that the page of a command that is gone goes too.
func fresh(dir string, fill func(dir string) error) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		var lines []string
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimRight(line, " \t\n"))
		}
		if err := write(page, []byte(strings.TrimRight(strings.Join(lines, "\n"), "\n")+"\n")); err != nil {
			return err
		}
	}
	return nil
}
