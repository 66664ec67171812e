package pages_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var update = flag.Bool("update", false, "write the screenshots of docs/screenshots; wants Debian's fonts-inter") //nolint:gochecknoglobals // a test flag

const (
	docs    = "../../docs/screenshots"
	maxShot = 100 << 10 // bytes of a screenshot in the tree
)

// look inspects the page as it is now, wide and in light, narrow and in dark: no rule of axe-core is broken, nothing scrolls
// sideways, and it has what each page must have. Screenshots go to the test's artefacts under the name.
func (b *tab) look(name string) {
	b.t.Helper()
	for _, view := range []struct {
		scheme string
		width  int64
	}{{"light", widest}, {"dark", narrowest}} {
		b.see(view.scheme, view.width)
		label := name + "-" + view.scheme + "-" + strconv.FormatInt(view.width, 10)
		b.fits(label, view.width)
		b.accessible(label)
		b.keep(filepath.Join(b.t.ArtifactDir(), label+".png"))
	}
	b.see("light", widest)
	b.whole(name)
}

// fits fails the test if the page is wider than the window.
func (b *tab) fits(label string, width int64) {
	b.t.Helper()
	if got := get(b, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); got > width {
		b.t.Errorf("%s is %d px wide", label, got)
	}
}

// accessible fails the test if axe-core finds a violation.
func (b *tab) accessible(label string) {
	b.t.Helper()
	found := b.inspect()
	for _, v := range found.Violations {
		b.t.Errorf("%s: %s: %s", label, v.ID, v.Text)
	}
	if found.Passed < 10 { // it looked at nothing
		b.t.Errorf("%s: only %d rules of axe-core have passed", label, found.Passed)
	}
}

// inspection is what axe-core says of a page.
type inspection struct {
	Passed     int
	Violations []struct{ ID, Text string }
}

func (b *tab) inspect() (found inspection) {
	b.t.Helper()
	const run = `axe.run(document, {resultTypes: ["violations"], preload: false, rules: {"target-size": {enabled: true}}})
		.then(r => JSON.stringify({
			passed: r.passes.length,
			violations: r.violations.map(v => ({
				id: v.id, text: v.help + "\n" + v.nodes.map(n => "  " + n.html + "\n  " + n.failureSummary).join("\n")
			}))
		}))`
	b.do(chromedp.Evaluate[chromedp.Void]("if (!window.axe) {" + b.axe + "}; undefined"))
	noError(b.t, json.Unmarshal([]byte(get(b, chromedp.Evaluate[string](run, chromedp.EvalAwaitPromise))), &found))
	return found
}

// axeFinds shows that what makes look pass would fail: a page with a fault in each scheme, and one that only the dark one has.
func axeFinds(v visit) {
	t, c := v.t, v.chromium
	b := c.tab(t, newService(t))
	at := foreign(t, `<style>p { color: #111; background: #fff } @media (prefers-color-scheme: dark) { p { color: #444; background: #111 } }</style>
<p>Text</p><form><input name="code"></form>`)
	b.leads(200, "Foreign", chromedp.Navigate(at))
	for scheme, want := range map[string][]string{
		"light": {"html-has-lang", "label"},
		"dark":  {"color-contrast", "html-has-lang", "label"},
	} {
		b.see(scheme, widest)
		var got []string
		for _, violation := range b.inspect().Violations {
			got = append(got, violation.ID)
		}
		for _, id := range want {
			if !slices.Contains(got, id) {
				t.Errorf("%s: axe-core finds %q, want %s among them", scheme, got, id)
			}
		}
		if scheme == "light" && slices.Contains(got, "color-contrast") {
			t.Error("the dark scheme was looked at for the light one")
		}
	}
	b.expectWrong("asked " + at)
}

// whole holds the page to what is asked of every one: a language, one heading, no script, a label for each field, and the
// focus where typing begins.
func (b *tab) whole(name string) {
	b.t.Helper()
	const ask = `JSON.stringify({
		lang: document.documentElement.lang,
		headings: document.querySelectorAll("h1").length,
		scripts: document.scripts.length,
		styles: document.querySelectorAll("style, [style]").length,
		unlabelled: [...document.querySelectorAll("input:not([type=hidden])")].filter(i => !i.labels.length || !i.autocomplete).map(i => i.name),
		fields: [...document.querySelectorAll("main input:not([type=hidden]):not([readonly])")].map(i => i.name),
		focus: document.activeElement.name || "",
		sheets: document.styleSheets.length
	})`
	var page struct {
		Lang                              string
		Headings, Scripts, Styles, Sheets int
		Unlabelled, Fields                []string
		Focus                             string
	}
	noError(b.t, json.Unmarshal([]byte(get(b, chromedp.Evaluate[string](ask))), &page))
	if page.Lang != "en" || page.Headings != 1 || page.Scripts != 0 || page.Styles != 0 || page.Sheets != 1 || len(page.Unlabelled) != 0 {
		b.t.Errorf("%s: %+v", name, page)
	}
	if len(page.Fields) > 0 && page.Focus == "" {
		b.t.Errorf("%s: none of its fields %s has the focus", name, strings.Join(page.Fields, ", "))
	}
}

// keep writes a screenshot of the page, if go test was told to keep the test's artefacts.
func (b *tab) keep(path string) {
	b.t.Helper()
	if kept := flag.Lookup("test.artifacts"); kept == nil || kept.Value.String() != "true" {
		return
	}
	noError(b.t, os.WriteFile(path, get(b, chromedp.FullScreenshot(100)), 0o600))
}

// document takes a screenshot for docs: with -update it is written anew.
func (b *tab) document(name, scheme string, width int64) {
	b.t.Helper()
	b.see(scheme, width)
	defer b.see("light", widest)
	if !*update {
		b.keep(filepath.Join(b.t.ArtifactDir(), name+".png"))
		return
	}
	shot := small(b.t, get(b, chromedp.FullScreenshot(100)))
	if len(shot) > maxShot {
		b.t.Errorf("%s: %d bytes", name, len(shot))
	}
	noError(b.t, os.MkdirAll(docs, 0o755))
	noError(b.t, os.WriteFile(filepath.Join(docs, name+".png"), shot, 0o644))
}

// small encodes a screenshot anew with its 256 most frequent colours, which is a third of the bytes; nobody sees the
// difference in a page of text.
func small(t *testing.T, shot []byte) []byte {
	t.Helper()
	whole, err := png.Decode(bytes.NewReader(shot))
	noError(t, err)
	counts, bounds := map[color.RGBA]int{}, whole.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			counts[color.RGBAModel.Convert(whole.At(x, y)).(color.RGBA)]++
		}
	}
	frequent := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return counts[b] - counts[a] })
	var few color.Palette
	for _, c := range frequent[:min(256, len(frequent))] {
		few = append(few, c)
	}
	index := map[color.RGBA]uint8{}
	for _, c := range frequent {
		index[c] = uint8(few.Index(c))
	}
	reduced := image.NewPaletted(image.Rect(0, 0, bounds.Dx(), bounds.Dy()), few)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			reduced.SetColorIndex(x, y, index[color.RGBAModel.Convert(whole.At(x, y)).(color.RGBA)])
		}
	}
	var out bytes.Buffer
	noError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduced))
	return out.Bytes()
}
