package core

import (
	"fmt"
	"strings"
	"time"
)

func (s *scales) table(title string, head ...string) {
	fmt.Fprintf(s.out, "\n%s\n\n| %s |\n|%s\n", title, strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
}

// row prints cells: text, numbers, and times as people read them.
func (s *scales) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		switch c := c.(type) {
		case time.Duration:
			text[i] = brieflyTime(c)
		case float64:
			text[i] = fmt.Sprintf("%.3g", c)
		default:
			text[i] = fmt.Sprint(c)
		}
	}
	fmt.Fprintf(s.out, "| %s |\n", strings.Join(text, " | "))
}

func brieflyTime(d time.Duration) string {
	switch {
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}

func percent(share float64) string {
	if share > 0.1 {
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}
