package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeShowsTheRealOutput holds the README's quickstart to what the program prints, but for keys, times and places.
// With UPDATE_README=1 it writes the README instead.
func TestReadmeShowsTheRealOutput(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "keyfob"), "quickstart", "--once")
	cmd.Env = []string{"HOME=" + home, "USER=ada", "SHELL=/bin/sh"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := string(out)
	for _, r := range [][2]string{
		{regexp.QuoteMeta(home), "/home/ada"},
		{`127\.0\.0\.1:74\d\d`, "127.0.0.1:7420"},
		{`kf_[0-9A-Za-z]{38}`, "kf_…3kQf"},
		{`kf_….{4}`, "kf_…3kQf"},
		{`\d+\.\d ms`, "… ms"},
		{`config=\S+`, "config=…"},
	} {
		got = regexp.MustCompile(r[0]).ReplaceAllString(got, r[1])
	}
	const path = "../../README.md"
	readme, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const open, end = "```text\n", "```\n"
	before, rest, _ := strings.Cut(string(readme), open)
	block, after, _ := strings.Cut(rest, end)
	if os.Getenv("UPDATE_README") != "" {
		if err := os.WriteFile(path, []byte(before+open+got+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if block != got {
		t.Errorf("the README shows\n%s\nbut the program prints\n%s\n(UPDATE_README=1 go test ./test/acceptance mends it)", block, got)
	}
}
