package completion

import (
	"bytes"
	"cmp"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyfob/keyfob/internal/cliutil"
	"github.com/keyfob/keyfob/pkg/api"
)

// A list of keys is one line a key, sorted by name, its fields separated by tabs: name, a letter for the status, id,
// hint, last use in Unix seconds (empty: never). A list of words is sorted lines of word and description. What is looked
// for in 10 000 lines is found by bytes; only what is offered is taken apart.

// The fields of a key's line.
const (
	fieldName = iota
	fieldStatus
	fieldID
	fieldHint
	fieldUsed
	fields // how many there are
)

// offerable says that a word arrives in every shell as it is, once it is quoted; the service allows no other
// names.
func offerable(word string) bool {
	const activeHelp = "_activeHelp_" // what cobra's scripts take for a message
	return word != "" && strings.TrimSpace(word) == word && word == cliutil.Printable(word) &&
		!strings.HasPrefix(word, "-") && !strings.HasPrefix(word, activeHelp)
}

func keyList(keys []api.Key) []byte {
	keys = slices.SortedFunc(slices.Values(keys), func(a, b api.Key) int { return cmp.Compare(a.Name, b.Name) })
	var b bytes.Buffer
	for _, k := range keys {
		if !offerable(k.Name) || !offerable(k.ID) {
			continue
		}
		used := ""
		if k.LastUsedAt != nil && !k.LastUsedAt.IsZero() {
			used = strconv.FormatInt(k.LastUsedAt.Unix(), 10)
		}
		b.WriteString(k.Name + "\t" + string(letter(k.Status)) + "\t" + k.ID + "\t" + cliutil.Printable(k.Hint) + "\t" + used + "\n")
	}
	return b.Bytes()
}

// letter stands for a status.
func letter(status api.KeyStatus) byte {
	switch status {
	case api.StatusEnabled:
		return 'e'
	case api.StatusDisabled:
		return 'd'
	case api.StatusExpired:
		return 'x'
	}
	return '?'
}

func tagList(keys []api.Key) []byte {
	keysWith := map[string]int{}
	for _, k := range keys {
		for name, value := range k.Tags {
			keysWith[name+"="+value]++
		}
	}
	described := map[string]string{}
	for tag, n := range keysWith {
		described[tag] = strconv.Itoa(n) + " keys"
		if n == 1 {
			described[tag] = "1 key"
		}
	}
	return describedList(described)
}

func wordList(words []string) []byte {
	described := map[string]string{}
	for _, w := range words {
		described[w] = ""
	}
	return describedList(described)
}

func describedList(described map[string]string) []byte {
	var b bytes.Buffer
	for _, word := range slices.Sorted(maps.Keys(described)) {
		if offerable(word) {
			b.WriteString(word + "\t" + cliutil.Printable(described[word]) + "\n")
		}
	}
	return b.Bytes()
}

// selection is which keys are offered.
type selection struct {
	letters []byte   // of the statuses; empty: all
	given   []string // names or ids that are on the command line already
}

func selecting(statuses []api.KeyStatus, given []string) selection {
	s := selection{given: given}
	for _, status := range statuses {
		s.letters = append(s.letters, letter(status))
	}
	return s
}

// offerKeys returns the keys whose name begins with word, and those whose id does, if the word begins as ids do.
func offerKeys(list []byte, word string, sel selection, now time.Time) []cobra.Completion {
	describe := func(l line) cobra.Completion { return describeKey(l, now) }
	var names, ids pick
	for text := range linesWith(from(list, word), word) {
		if sel.wants(text) {
			names.add(line{text, 0})
		}
	}
	offered := names.offer(describe)
	if !strings.HasPrefix(word, "key_") {
		return offered
	}
	for text := range linesWith(list, "") {
		// The id stands behind the name and the letter of the status.
		if id := bytes.IndexByte(text, '\t') + len("\te\t"); id < len(text) && bytes.HasPrefix(text[id:], []byte(word)) && sel.wants(text) {
			ids.add(line{text, id})
		}
	}
	return append(offered, ids.offer(describe)...)
}

// offerWords returns the words of the list that begin with word.
func offerWords(list []byte, word string) []cobra.Completion {
	var words pick
	for text := range linesWith(from(list, word), word) {
		words.add(line{text, 0})
	}
	return words.offer(func(l line) cobra.Completion { return string(l.text) })
}

// linesWith yields lines as long as they begin with word.
func linesWith(list []byte, word string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for rest := list; bytes.HasPrefix(rest, []byte(word)); {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 || !yield(rest[:end]) {
				return
			}
			rest = rest[end+1:]
		}
	}
}

// from returns the list from the first line that is not before word.
func from(list []byte, word string) []byte {
	low, high := 0, len(list) // line starts
	for low < high {
		middle := low + (high-low)/2
		start := bytes.LastIndexByte(list[:middle], '\n') + 1
		end := bytes.IndexByte(list[start:], '\n')
		if end < 0 {
			return nil // not a list of ours
		}
		if string(list[start:start+end]) < word {
			low = start + end + 1
		} else {
			high = start
		}
	}
	return list[low:]
}

// wants says whether a key's line is one to offer.
func (s selection) wants(text []byte) bool {
	if len(s.letters) > 0 {
		i := bytes.IndexByte(text, '\t') + 1
		if i >= len(text) || bytes.IndexByte(s.letters, text[i]) < 0 {
			return false
		}
	}
	if len(s.given) == 0 {
		return true
	}
	f := strings.SplitN(string(text), "\t", fields)
	return len(f) == fields && !slices.ContainsFunc(s.given, func(g string) bool {
		return strings.EqualFold(g, f[fieldName]) || g == f[fieldID]
	})
}

// describeKey returns a key's name or id, and what the other fields say. It runs for each key that is offered.
func describeKey(l line, now time.Time) cobra.Completion {
	var f [fields][]byte
	rest := l.text
	for i := range f {
		f[i], rest, _ = bytes.Cut(rest, []byte("\t"))
	}
	var used *time.Time
	if seconds, err := strconv.ParseInt(string(f[fieldUsed]), 10, 64); err == nil {
		at := time.Unix(seconds, 0)
		used = &at
	}
	const dot = " · "
	b := make([]byte, 0, 256)
	if l.word > 0 {
		b = append(append(b, f[fieldID]...), '\t')
		b = append(append(b, f[fieldName]...), dot...)
	} else {
		b = append(append(b, f[fieldName]...), '\t')
	}
	b = append(append(b, f[fieldHint]...), dot...)
	b = append(append(b, statusOf(f[fieldStatus])...), dot...)
	return string(append(b, cliutil.Ago(now, used)...))
}

func statusOf(field []byte) string {
	for _, s := range [...]api.KeyStatus{api.StatusEnabled, api.StatusDisabled, api.StatusExpired} {
		if len(field) == 1 && letter(s) == field[0] {
			return string(s)
		}
	}
	return "unknown"
}
