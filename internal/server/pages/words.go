package pages

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// sentence makes the text of an error one: a capital first, a full stop last. Empty stays empty.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if last, _ := utf8.DecodeLastRuneInString(text); strings.ContainsRune(".!?…", last) {
		return text
	}
	return text + "."
}

// ago says how long something is past, to the minute.
func ago(d time.Duration) string {
	if d < time.Minute {
		return "just now"
	}
	return count(int(d/time.Minute), "minute") + " ago"
}

// in says how long something will take, never too little.
func in(d time.Duration) string {
	minutes := max(1, int((d+time.Minute-1)/time.Minute))
	if minutes < 120 {
		return "in " + count(minutes, "minute")
	}
	return "in " + count((minutes+59)/60, "hour")
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

// cut shortens what was typed to what is worth showing again.
func cut(s string) string {
	const most = 64
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}

// browserName is what a User-Agent header calls the browser, for the list of sessions. The order matters: most of them
// name the others, too.
func browserName(agent string) string {
	for _, b := range []struct{ mark, name string }{
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"Firefox/", "Firefox"},
		{"Chrom", "Chrome"},
		{"Safari/", "Safari"},
	} {
		if strings.Contains(agent, b.mark) {
			return b.name
		}
	}
	return "browser"
}
