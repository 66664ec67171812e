package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/keyfob/keyfob/internal/core"
)

//go:embed assets
var assets embed.FS

// view is what a template is given.
type view struct {
	Status int    // 0: 200
	Title  string // the heading, and the title of the window
	Mark   string // a sign above it: markDone, markNot or none
	User   *core.User
	Alert  *alert
	Body   any

	// Set by show.
	Service string // where this is: the host people know it by
	URL     string // the same as a URL, for commands
	Token   string // of the forms
}

// The marks: it was done, or it was not.
const (
	markDone = "tick"
	markNot  = "bar"
)

// alert says what is wrong, and what to do.
type alert struct{ Text, Fix string }

// parseViews makes a template of every page in assets, each within the layout.
func parseViews() (map[string]*template.Template, error) {
	names, err := fs.Glob(assets, "assets/*.html")
	if err != nil {
		return nil, err
	}
	const layout = "assets/layout.html"
	views := map[string]*template.Template{}
	for _, name := range names {
		if name == layout {
			continue
		}
		view, err := template.New("layout.html").ParseFS(assets, layout, name)
		if err != nil {
			return nil, err
		}
		views[strings.TrimSuffix(strings.TrimPrefix(name, "assets/"), ".html")] = view
	}
	return views, nil
}

// show answers with a page. Nothing is written if it can't be made.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, name string, v view) error {
	v.Service, v.URL = p.PublicURL.Host, p.PublicURL.String()
	v.Token = p.formToken(w, r)
	var page bytes.Buffer
	if err := p.views[name].Execute(&page, v); err != nil {
		return fmt.Errorf("make the page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if v.Status != 0 {
		w.WriteHeader(v.Status)
	}
	_, _ = w.Write(page.Bytes()) // a browser that left needs no page
	return nil
}

// asset serves an embedded file.
func asset(name, media string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		protect(w.Header())
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text)
	}
}
