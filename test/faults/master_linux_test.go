package faults

import (
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMasterKeyRotationKilled kills rotations of the master key with -9 at any moment, beside a service that goes on: everything opens
// at each moment, for a service that starts then, too, and the last rotation ends well.
func TestMasterKeyRotationKilled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	made := s.makeKeys(t, 3)
	program, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	opens := func() {
		t.Helper()
		for name, secret := range made {
			text := s.wants(http.StatusOK, http.MethodPost, "/v1/orgs/acme/keys/"+name+"/reveal", s.session.Reveal(), `{"purpose":"copy"}`)
			if !strings.Contains(text, secret) {
				t.Errorf("%s is revealed as another secret", name)
			}
		}
	}
	ended := 0
	for round := range 20 {
		cmd := exec.Command(program, "rotate-master-key", "--data-dir", s.data)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		late := time.After(time.Duration(rand.IntN(60)) * time.Millisecond)
		for killed := false; !killed; {
			opens()
			select {
			case <-late:
				_ = cmd.Process.Kill()
				<-done
				killed = true
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				ended++
				killed = true
			default:
			}
		}
		opens()
		if round%4 == 3 {
			s.kill()
			s.start()
			opens()
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if out, err := s.run(nil, "rotate-master-key", "--data-dir", s.data); err != nil {
		t.Fatal(err, out)
	}
	opens()
	s.stop()
	if out, err := s.run(nil, "doctor", "--data-dir", s.data); err != nil {
		t.Error(err, out)
	}
	t.Logf("%d of 20 rotations ended before they were killed", ended)
}
