package edit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyfob/keyfob/internal/mcpclient/edit"
)

// large is a file of about size bytes, of many servers or of much else.
func large(f edit.Format, size int, servers bool) []byte {
	var b strings.Builder
	place := "projects"
	if servers {
		place = "mcp"
	}
	switch f {
	case edit.TOML:
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "[%s.\"/home/u/p%d\"]\nurl = \"https://example.test/%d\"\nargs = [\"a\", \"b\"]\nn = %d\n\n", place, i, i, i)
		}
	case edit.YAML:
		fmt.Fprintf(&b, "%s:\n", place)
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "  /home/u/p%d:\n    url: \"https://example.test/%d\"\n    args: [a, b]\n    n: %d\n", i, i, i)
		}
	default:
		fmt.Fprintf(&b, "{\n  \"numStartups\": 12,\n  %q: {", place)
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "\n    \"/home/u/p%d\": {\n      \"allowedTools\": [],\n      \"history\": [{\"display\": \"fix test %d\", \"n\": %d}]\n    },", i, i, i)
		}
		b.WriteString("\n    \"last\": {}\n  }\n}\n")
	}
	return []byte(b.String())
}

func BenchmarkPut(b *testing.B) {
	for _, f := range formats() {
		for _, size := range []int{100 << 10, 10<<20 - 1000} {
			for _, servers := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/%dKiB/servers=%v", f, size>>10, servers), func(b *testing.B) {
					doc := large(f, size, servers)
					b.SetBytes(int64(len(doc)))
					b.ReportAllocs()
					for b.Loop() {
						if _, err := edit.Put(f, doc, mapped(), "ours", server()); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
