package faults

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/keyfob/keyfob/internal/cliutil"
)

// TestPepperRotationKilled kills rotations of the pepper with -9 at any moment, beside a service that goes on: it lets every key in at
// each moment, as does one that starts then, and the last rotation ends well.
func TestPepperRotationKilled(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.start()
	made := s.makeKeys(t, 250) // more than are moved at once
	program, err := keyfobd()
	if err != nil {
		t.Fatal(err)
	}
	checks := 0
	opens := func(n int) {
		t.Helper()
		for name, secret := range made { // in another order each time
			if n--; n < 0 {
				return
			}
			checks++
			if status, text, err := s.ask(http.MethodGet, "/v1/authz", secret, ""); err != nil || status != http.StatusNoContent {
				t.Fatal(name, status, text, err)
			}
		}
	}
	ended, full := 0, 0
	for round := range 20 {
		args := []string{"rotate-pepper", "--data-dir", s.data}
		if round%7 == 0 { // else one that is begun is gone on with
			args = append(args, "--another")
		}
		cmd := exec.Command(program, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }() // it ends with the process
		late := time.After(time.Duration(rand.IntN(120)) * time.Millisecond)
		for over := false; !over; {
			opens(5)
			select {
			case <-late:
				_ = cmd.Process.Kill()
				<-done
				over = true
			case err := <-done:
				var exit *exec.ExitError
				switch {
				case err == nil:
					ended++
				case errors.As(err, &exit) && exit.ExitCode() == int(cliutil.ExitConflict): // there are as many as there may be
					full++
				default:
					t.Fatal(err)
				}
				over = true
			default:
			}
		}
		opens(20)
		if round%4 == 3 {
			s.kill()
			s.start()
			opens(len(made))
		}
	}
	if out, err := s.run(nil, "rotate-pepper", "--data-dir", s.data); err != nil {
		t.Fatal(err, out)
	}
	opens(len(made))
	s.wants(http.StatusOK, http.MethodGet, "/v1/orgs/acme/keys", s.session.Reveal(), "")
	s.stop()
	if out, err := s.run(nil, "doctor", "--data-dir", s.data); err != nil {
		t.Error(err, out)
	}
	t.Logf("%d of 20 rotations ended before they were killed, and %d found as many peppers as there may be; %d checks", ended, full, checks)
}
