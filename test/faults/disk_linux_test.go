package faults

import (
	"bufio"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keyfob/keyfob/pkg/api"
)

// TestDiskFails: from some moment on the disk answers with an error, and later no more. What can't be written is not acknowledged,
// the service says that it is not ready, checks go on, and it recovers by itself; the next start finds all that was acknowledged.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{
		"full":             "pwrite64:error=ENOSPC",
		"broken":           "pwrite64:error=EIO",
		"over its quota":   "pwrite64:error=EDQUOT",
		"does not sync":    "fsync,fdatasync:error=EIO",
		"full when synced": "fsync,fdatasync:error=ENOSPC",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need(t, "strace")
			s := newService(t)
			s.start()
			made := s.makeKeys(t, 3)
			s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", made["k0"], "")

			mend := s.inject(fault)
			s.wants(http.StatusServiceUnavailable, http.MethodGet, "/readyz", "", "")
			s.wants(http.StatusOK, http.MethodGet, "/healthz", "", "")
			for range 3 {
				s.wants(http.StatusServiceUnavailable, http.MethodPost, "/v1/orgs/acme/keys/k0/disable", s.session.Reveal(), "")
				s.wants(http.StatusServiceUnavailable, http.MethodPost, "/v1/orgs/acme/keys", s.session.Reveal(), `{"name":"lost"}`)
			}
			for _, secret := range made { // reads need no disk that can be written
				s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", secret, "")
			}
			mend()
			s.wants(http.StatusOK, http.MethodGet, "/readyz", "", "")
			s.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/k1/disable", s.session.Reveal(), "")
			s.wants(http.StatusUnauthorized, http.MethodGet, "/v1/authz", made["k1"], "")
			s.kill()
			s.sound()

			s.start()
			s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", made["k0"], "")
			s.wants(http.StatusUnauthorized, http.MethodGet, "/v1/authz", made["k1"], "")
			s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", made["k2"], "")
			s.wants(http.StatusNotFound, http.MethodGet, "/v1/orgs/acme/keys/lost", s.session.Reveal(), "")
			s.stop()
		})
	}
}

// TestFileSizeLimit: the same by the shell's limit on the size of files (512-byte blocks in dash).
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	s := newService(t, "sh", "-c", `ulimit -f 3072; exec "$@"`, "sh")
	s.start()
	made := map[string]string{}
	full := false
	for i := 0; !full; i++ {
		name := "k" + strconv.Itoa(i)
		k, secret, err := s.client().CreateKey(t.Context(), "acme", api.CreateKeyRequest{Name: name, Tags: map[string]string{"long": strings.Repeat("x", 200)}})
		if full = err != nil; !full {
			made[k.Name] = secret.Reveal()
		}
		if i > 5000 {
			t.Fatal("the limit has no effect")
		}
	}
	for i, ready, until := 0, http.StatusOK, time.Now().Add(wait); ready != http.StatusServiceUnavailable; i++ { // a small write may still fit
		var err error
		if ready, _, err = s.ask(http.MethodGet, "/readyz", "", ""); err != nil || time.Now().After(until) {
			t.Fatalf("readyz: %d (%v)", ready, err)
		}
		_, _, _ = s.ask(http.MethodPost, "/v1/orgs/acme/keys", s.session.Reveal(), fmt.Sprintf(`{"name":"more%d"}`, i))
	}
	s.wants(http.StatusServiceUnavailable, http.MethodPost, "/v1/orgs/acme/keys", s.session.Reveal(), `{"name":"more"}`)
	s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", made["k0"], "")
	s.kill()
	s.under = nil
	s.start()
	for name, secret := range made {
		s.wants(http.StatusNoContent, http.MethodGet, "/v1/authz", secret, "")
		if t.Failed() {
			t.Fatalf("%s of %d", name, len(made))
		}
	}
	s.wants(http.StatusOK, http.MethodGet, "/readyz", "", "")
	s.stop()
	s.sound()
}

// makeKeys makes keys k0, k1 … and returns their secrets by name.
func (s *service) makeKeys(t *testing.T, n int) map[string]string {
	t.Helper()
	made := map[string]string{}
	for i := range n {
		k, secret, err := s.client().CreateKey(t.Context(), "acme", api.CreateKeyRequest{Name: fmt.Sprintf("k%d", i)})
		if err != nil {
			t.Fatal(err)
		}
		made[k.Name] = secret.Reveal()
	}
	return made
}

// inject has the kernel answer the service's system calls with an error, from now until the returned function was called.
func (s *service) inject(fault string) (mend func()) {
	s.Helper()
	calls, _, _ := strings.Cut(fault, ":")
	cmd := exec.Command("strace", "-f", "-e", "trace="+calls, "-e", "inject="+fault, "-e", "signal=none", "-o", "/dev/null", "-p", strconv.Itoa(s.cmd.Process.Pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	attached := make(chan string, 1)
	var read sync.WaitGroup
	read.Go(func() {
		lines := bufio.NewScanner(said)
		for lines.Scan() {
			select {
			case attached <- lines.Text():
			default:
			}
		}
	})
	mend = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it detaches
		read.Wait()
		_ = cmd.Wait()
	})
	s.Cleanup(mend)
	select {
	case line := <-attached:
		if !strings.Contains(line, "attached") {
			s.Fatalf("strace: %s", line)
		}
	case <-time.After(wait):
		s.Fatal("strace does not attach")
	}
	return mend
}
