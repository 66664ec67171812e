package pages

import (
	"strings"
	"testing"
	"time"
)

func TestTimesInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", 0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago",
		119 * time.Second: "1 minute ago", 10 * time.Minute: "10 minutes ago",
	} {
		if got := ago(d); got != want {
			t.Errorf("ago(%s) = %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Hour: "in 1 minute", 0: "in 1 minute", time.Minute: "in 1 minute", 61 * time.Second: "in 2 minutes",
		15 * time.Minute: "in 15 minutes", 119 * time.Minute: "in 119 minutes", 2 * time.Hour: "in 2 hours", 121 * time.Minute: "in 3 hours",
	} {
		if got := in(d); got != want {
			t.Errorf("in(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "no": "No.", "Yes.": "Yes.", "why?": "Why?", "élan": "Élan.", "cut…": "Cut…", `a "b"`: `A "b".`,
	} {
		if got := sentence(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	if got := cut(strings.Repeat("漢", 65)); got != strings.Repeat("漢", 64) {
		t.Error(got)
	}
	if got := cut("BCDF"); got != "BCDF" {
		t.Error(got)
	}
}

func TestBrowserName(t *testing.T) {
	t.Parallel()
	const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	for agent, want := range map[string]string{
		chrome:                "Chrome",
		chrome + " Edg/156.0": "Edge",
		chrome + " OPR/120.0": "Opera",
		"Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0":                                       "Firefox",
		"Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15":                "Safari",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Version/19.0 Mobile/15 Safari/604.1": "Safari",
		"curl/8.0": "browser", "": "browser",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%s: %s, want %s", agent, got, want)
		}
	}
}
