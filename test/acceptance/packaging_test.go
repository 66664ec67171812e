package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const packaging = "../../packaging/"

// accepted runs keyfobd as a package does, up to where it would start.
func accepted(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "keyfobd"), append(args, "--print-config")...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("keyfobd %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func packaged(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(packaging + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSystemdUnit holds the unit to what keyfobd takes, and to what systemd does.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit := packaged(t, "keyfobd.service")
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/keyfobd (.+)$`).FindStringSubmatch(unit)
	if start == nil {
		t.Fatal("it starts no keyfobd")
	}
	args := strings.Fields(strings.ReplaceAll(start[1], "/etc/keyfob/", packaging))
	text := accepted(t, []string{"HOME=/home/keyfob"}, args...)
	for _, want := range []string{"data_dir: /var/lib/keyfob # flag --data-dir\n", "public_url: https://keys.example.com # file "} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed: the unit is not verified")
	}
	// The program is not where the unit has it; ours stands for it.
	path := filepath.Join(t.TempDir(), "keyfobd.service")
	unit = strings.ReplaceAll(unit, "/usr/bin/keyfobd", filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "keyfobd"))
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDockerfile holds that what is copied exists, and that the program takes what the image gives it.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := packaged(t, "Dockerfile")
	copies := regexp.MustCompile(`(?m)^COPY ([^-].*)$`).FindAllStringSubmatch(text, -1)
	if len(copies) < 4 {
		t.Fatalf("it copies %d times", len(copies))
	}
	for _, c := range copies {
		words := strings.Fields(c[1])
		for _, path := range words[:len(words)-1] {
			if _, err := os.Stat("../../" + path); err != nil {
				t.Error(err)
			}
		}
	}
	env := strings.Fields(regexp.MustCompile(`(?m)^ENV (.+)$`).FindStringSubmatch(text)[1])
	command := regexp.MustCompile(`(?m)^CMD \["([^"]+)"\]$`).FindStringSubmatch(text)[1]
	out := accepted(t, append(env, "KEYFOBD_PUBLIC_URL=https://keys.example.com", "KEYFOBD_INSECURE_HTTP=true"), command)
	for _, want := range []string{"listen: 0.0.0.0:7420 # environment KEYFOBD_LISTEN\n", "data_dir: /data # environment KEYFOBD_DATA_DIR\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !strings.Contains(text, `HEALTHCHECK --interval=10s --timeout=5s CMD ["/usr/bin/keyfobd", "ready"]`) {
		t.Error("nothing asks for its health")
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KEYFOB_TEST_BIN"), "keyfobd"), "ready", "--data-dir", t.TempDir()).CombinedOutput(); err == nil ||
		!strings.Contains(string(out), "no service serves") {
		t.Errorf("status: %v, %s", err, out)
	}
	goMod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(goMod))[1]
	if !strings.Contains(text, "FROM golang:"+version+" AS build\n") {
		t.Errorf("the image is not built with Go %s", version)
	}
}
