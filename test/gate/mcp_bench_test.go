package gate

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	call  = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
)

// connectable is a quickstart with a key whose secret is kept.
type connectable struct {
	keyfob
	Key    struct{ ID string }
	Secret string
	MCP    struct{ URL string }
}

func newConnectable(b *testing.B) connectable {
	b.Helper()
	c := connectable{keyfob: newKeyfob(b)}
	c.background(b, &c, "keyfob", "quickstart", "-o", "json", "--data-dir", b.TempDir())
	c.run(b, "mcp", "headers", "--key", c.Key.ID)
	return c
}

// BenchmarkMCPProxy compares a call of a tool through `keyfob mcp proxy` with the same call over HTTP, turn by turn; medians. Bounds:
// 1 ms more, and 20 MiB resident when idle after the handshake and after all calls.
func BenchmarkMCPProxy(b *testing.B) {
	c := newConnectable(b)
	cmd := c.command(b.Context(), "keyfob", "mcp", "proxy", "--key", c.Key.ID)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	out := bufio.NewReader(pipe)
	through := func(message string) {
		if _, err := io.WriteString(in, message+"\n"); err != nil {
			b.Fatal(err)
		}
		if line, err := out.ReadString('\n'); err != nil || !strings.Contains(line, `"result"`) {
			b.Fatalf("%s, %v", line, err)
		}
	}
	through(hello)
	idle := resident(b, cmd.Process.Pid)
	direct := func() { fatal(b, callTool(b, c.MCP.URL, c.Secret)) }
	var bridged, plain []time.Duration
	for b.Loop() {
		bridged = append(bridged, timed(func() { through(call) }))
		plain = append(plain, timed(direct))
	}
	after := resident(b, cmd.Process.Pid)
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	slices.Sort(bridged)
	slices.Sort(plain)
	ours, theirs := bridged[len(bridged)/2], plain[len(plain)/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.Seconds()*1000, "ms-call")
	b.ReportMetric((ours-theirs).Seconds()*1000, "ms-added")
	b.ReportMetric(float64(idle)/1024, "MiB-idle")
	b.ReportMetric(float64(after)/1024, "MiB-after-calls")
}

// resident is the resident memory of a process in KiB.
func resident(b *testing.B, pid int) int {
	b.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		b.Skipf("resident memory is read from /proc: %v", err)
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		b.Fatalf("no VmRSS:\n%s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		b.Fatal(err)
	}
	return kib
}
