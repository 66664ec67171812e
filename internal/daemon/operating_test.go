package daemon

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const operating = "../../docs/operating.md"

// optionsTable is the table of options as docs/operating.md has it.
func optionsTable() string {
	var out strings.Builder
	out.WriteString("| flag | in the file | default | |\n| --- | --- | --- | --- |\n")
	code := func(text string) string {
		if text == "" {
			return ""
		}
		return "`" + text + "`"
	}
	for _, s := range Settings() {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", code(s.Flag), code(s.File), code(s.Default), s.Usage)
	}
	return out.String()
}

// TestOperatingOptions holds the documented table of options to that of the program; with UPDATE_DOCS=1 it writes it.
func TestOperatingOptions(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(operating)
	noError(t, err)
	table := regexp.MustCompile(`(?m)^\| flag \|.*\n(\|.*\n)+`)
	if os.Getenv("UPDATE_DOCS") != "" {
		noError(t, os.WriteFile(operating, table.ReplaceAllLiteral(doc, []byte(optionsTable())), 0o644))
		return
	}
	if got := string(table.Find(doc)); got != optionsTable() {
		t.Errorf("docs/operating.md has\n%s\nand should have\n%s\n(UPDATE_DOCS=1 writes it)", got, optionsTable())
	}
	for _, s := range Settings() {
		if want := "KEYFOBD_" + strings.ToUpper(strings.ReplaceAll(strings.TrimPrefix(s.Flag, "--"), "-", "_")); s.Env != want {
			t.Errorf("%s is %s, not %s as documented", s.Flag, s.Env, want)
		}
	}
}

// TestOperatingMetrics holds the names in the documented scrape to those of a real one.
func TestOperatingMetrics(t *testing.T) {
	t.Parallel()
	files := t.TempDir()
	issue(t, files, "a", 1, time.Now().Add(time.Hour))
	r := start(t, privateDir(t), func(o *ServeOptions) {
		o.TLSCert, o.TLSKey, o.MetricsListen = filepath.Join(files, "a.crt"), filepath.Join(files, "a.key"), "127.0.0.1:0"
	})
	noError(t, readyRun(t.Context(), &ReadyOptions{DataDir: dataDirOf(t, r), Out: &strings.Builder{}})) // so that there is a request
	address := regexp.MustCompile(`msg=metrics url=(\S+)`).FindStringSubmatch(r.log.String())[1]
	status, scrape := call(t, http.MethodGet, address, "", "")
	r.end()
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	names := func(text string) []string {
		set := map[string]bool{}
		for _, name := range regexp.MustCompile(`(?m)^keyfob_\w+`).FindAllString(text, -1) {
			set[name] = true
		}
		return slices.Sorted(maps.Keys(set))
	}
	doc, err := os.ReadFile(operating)
	noError(t, err)
	if got, want := names(string(doc)), names(scrape); !slices.Equal(got, want) {
		t.Errorf("docs/operating.md has %q, a scrape %q", got, want)
	}
}

func dataDirOf(t *testing.T, r *running) string {
	t.Helper()
	return regexp.MustCompile(`"data_dir":"([^"]+)"`).FindStringSubmatch(r.line)[1]
}

// TestOperatingConfig holds that the documented config file is one.
func TestOperatingConfig(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(operating)
	noError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) == 0 {
		t.Fatal("there is none")
	}
	for _, block := range blocks {
		if strings.HasPrefix(block[1], "scrape_configs:") { // Prometheus's
			continue
		}
		if _, err := parsed(t, nil, "--config", configFile(t, block[1])); err != nil {
			t.Errorf("%s\n%v", block[1], err)
		}
	}
}
