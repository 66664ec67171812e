package cliutil

import "testing"

func TestRate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"100/s": "100/s", "1000/m": "1000/m", "50/h": "50/h", "10/d": "10/d", "5/10s": "5/10s", "5/60s": "5/m", "6/2m": "6/120s", "7/1d": "7/d",
		"1000000/24h": "1000000/d", "none": "", "1/1m30s": "1/90s",
	} {
		r := Rate{}
		if err := r.Set(in); err != nil || r.String() != want {
			t.Errorf("%q is %q, want %q: %v", in, r.String(), want, err)
		}
	}
	for _, in := range []string{
		"", "100", "/s", "100/", "0/s", "-1/s", "1.5/s", "1e3/s", "100/x", "100/0s", "100/1ms", "100/1.5s", "100/s/s", "100 /s", "1000001/s",
		"1/25h", "1/2d", "1/w", "99999999999/s", "never", "None",
	} {
		r := Rate{}
		if err := r.Set(in); err == nil {
			t.Errorf("%q is %q", in, r.String())
		}
	}
}
