package gate

import (
	"bufio"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keyfob/keyfob/test/clients"
)

// BenchmarkConnect is one `mcp connect --apply` that adds an entry, less the handshake that proves it; medians. Bounds:
// 20 ms and 20 MiB. add-mcp writes the same entry and does no handshake.
func BenchmarkConnect(b *testing.B) {
	for _, tc := range []struct {
		name, client string
		session      func(*testing.B, *keyfob)
	}{
		{"literal", "gemini-cli", quickstarted},
		{"helper-and-keyring", "claude-code", desktop},
	} {
		b.Run(tc.name, func(b *testing.B) {
			k := newKeyfob(b)
			tc.session(b, &k)
			k.run(b, "mcp", "connect", "--client", "gemini-cli", "--apply")
			k.run(b, "mcp", "disconnect", "--client", tc.client)
			var all, proofs []time.Duration
			for b.Loop() {
				all = append(all, timed(func() { k.run(b, "mcp", "connect", "--client", tc.client, "--apply") }))
				proofs = append(proofs, k.handshake(b, "gemini-cli"))
				k.run(b, "mcp", "disconnect", "--client", tc.client)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(milliseconds(all)-milliseconds(proofs), "ms-connect")
			b.ReportMetric(milliseconds(proofs), "ms-handshake")
			b.ReportMetric(k.peak(b, "keyfob", "mcp", "connect", "--client", tc.client, "--apply"), "MiB")
		})
	}
	b.Run("add-mcp", func(b *testing.B) {
		if testing.Short() {
			b.Skip("it comes by npm")
		}
		k := newKeyfob(b)
		k.install(b, "node", "add-mcp")
		argv := []string{
			"add-mcp", "http://127.0.0.1:9/mcp", "--transport", "http", "--name", "keyfob", "--agent", "gemini-cli", "--global", "--yes",
			"--header", "Authorization: Bearer kf_none",
		}
		var all []time.Duration
		for b.Loop() {
			all = append(all, timed(func() { k.output(b, argv...) }))
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(milliseconds(all), "ms-connect")
		b.ReportMetric(k.peak(b, argv...), "MiB")
	})
}

// BenchmarkHeaders is `mcp headers`, as a client runs it at each connection, from a real gnome-keyring; median. Bound: 15 ms.
func BenchmarkHeaders(b *testing.B) {
	k := newKeyfob(b)
	desktop(b, &k)
	k.run(b, "mcp", "connect", "--client", "claude-code", "--apply")
	var status struct {
		Connections []struct {
			KeyID string `json:"key_id"`
		} `json:"connections"`
	}
	decode(b, k.output(b, "keyfob", "mcp", "status", "-o", "json"), &status)
	argv := []string{"keyfob", "mcp", "headers", "--key", status.Connections[0].KeyID}
	var all []time.Duration
	for b.Loop() {
		all = append(all, timed(func() { k.output(b, argv...) }))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(milliseconds(all), "ms")
	b.ReportMetric(k.peak(b, argv...), "MiB")
}

// quickstarted runs a service, whose session lies in a file.
func quickstarted(b *testing.B, k *keyfob) {
	b.Helper()
	k.serve(b, b.TempDir())
}

// desktop runs a service, a session bus and a gnome-keyring that is unlocked, and signs in, the session in that keyring.
func desktop(b *testing.B, k *keyfob) {
	b.Helper()
	need(b, "dbus-run-session", "gnome-keyring-daemon")
	data := b.TempDir()
	service := k.serve(b, data)
	token := k.session(b, data, service)

	k.env = append(k.env, "XDG_RUNTIME_DIR="+b.TempDir())
	bus := k.command(b.Context(), "dbus-run-session", "--", "sh", "-c",
		`printf pw | gnome-keyring-daemon --daemonize --unlock --components=secrets >/dev/null && echo "$DBUS_SESSION_BUS_ADDRESS" && exec cat`)
	bus.Cancel = func() error { return nil } // it ends with its stdin, and then ends the bus and the keyring
	stdin, err := bus.StdinPipe()
	fatal(b, err)
	stdout, err := bus.StdoutPipe()
	fatal(b, err)
	fatal(b, bus.Start())
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = bus.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	fatal(b, err)
	k.env = append(k.env, "DBUS_SESSION_BUS_ADDRESS="+strings.TrimSpace(address))

	login := k.command(b.Context(), "keyfob", "auth", "login", "--with-token", "--url", service.Service.URL, "--context", "ring")
	login.Stdin = strings.NewReader(token)
	if out, err := login.CombinedOutput(); err != nil || !strings.Contains(string(out), "in the OS keyring") {
		b.Fatalf("auth login: %v\n%s", err, out)
	}
}

// handshake is how long the one with the key of a client takes.
func (k *keyfob) handshake(b *testing.B, client string) time.Duration {
	b.Helper()
	var test struct {
		Results []struct {
			MS float64 `json:"ms"`
		} `json:"results"`
	}
	decode(b, k.output(b, "keyfob", "mcp", "test", "--client", client, "--no-engine", "-o", "json"), &test)
	return time.Duration(test.Results[0].MS * float64(time.Millisecond))
}

// install puts clients of npm on PATH. They have to be in the cache.
func (k *keyfob) install(b *testing.B, names ...string) {
	b.Helper()
	cache, err := clients.Cache()
	fatal(b, err)
	all, err := clients.All()
	fatal(b, err)
	for _, c := range all {
		if !slices.Contains(names, c.Name) {
			continue
		}
		bin, err := c.BinDir(cache)
		if err != nil {
			b.Skip(err)
		}
		for i, v := range k.env {
			if path, ok := strings.CutPrefix(v, "PATH="); ok {
				k.env[i] = "PATH=" + bin + ":" + path
			}
		}
	}
}

// peak is the most memory that a command takes, in MiB.
func (k *keyfob) peak(b *testing.B, argv ...string) float64 {
	b.Helper()
	build(b, k.dir, "test/gate/rss")
	kib, err := strconv.Atoi(strings.TrimSpace(string(k.output(b, append([]string{"rss"}, argv...)...))))
	fatal(b, err)
	return float64(kib) / 1024
}

// milliseconds is the median.
func milliseconds(all []time.Duration) float64 {
	slices.Sort(all)
	return all[len(all)/2].Seconds() * 1000
}

func fatal(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
