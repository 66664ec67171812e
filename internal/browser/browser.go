// Package browser hands a link that holds a secret to the user's browser without putting it into any program's arguments:
// the browser is sent to a page on this machine that works once and forwards to the link. It must not know what the link
// is for.
package browser

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pkg/browser"
)

// fetchWait bounds the wait until the browser has fetched the page.
const fetchWait = 30 * time.Second

// ErrNotFetched says that no browser came for the page.
var ErrNotFetched = errors.New("no browser opened the page")

// Open asks the desktop to open a URL. It does not wait for the browser, and keeps its output off ours.
func Open(url string) error {
	browser.Stdout, browser.Stderr = io.Discard, io.Discard
	done := make(chan error, 1)
	go func() { done <- browser.OpenURL(url) }()
	select {
	case err := <-done:
		return err
	case <-time.After(3 * time.Second): // an opener that stays is a browser that runs
		return nil
	}
}

// Handoff sends the browser to link through a page on 127.0.0.1 with an unguessable path that answers once, and returns
// when the browser has it. The errors are those of open, ErrNotFetched, and the context's.
func Handoff(ctx context.Context, link, title string, open func(url string) error) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	path := "/" + rand.Text()
	fetched := make(chan struct{}, 1)
	server := &http.Server{
		Handler:           page(listener.Addr().String(), path, link, title, fetched),
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10,
	}
	go func() { _ = server.Serve(listener) }()
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
	}()
	if err := open("http://" + listener.Addr().String() + path); err != nil {
		return fmt.Errorf("open a browser: %w", err)
	}
	select {
	case <-fetched:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ErrNotFetched
		}
		return ctx.Err()
	}
}

func page(host, path, link, title string, fetched chan<- struct{}) http.Handler {
	once := make(chan struct{}, 1)
	once <- struct{}{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A foreign Host is a rebound name; anything but the one path is a guess.
		if r.Host != host || r.URL.Path != path || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		select {
		case <-once:
		default:
			http.Error(w, "this page works once", http.StatusGone)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Connection", "close")
		target := html.EscapeString(link)
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>%[1]s</title>`+
			`<meta http-equiv="refresh" content="0;url=%[2]s"><meta name="viewport" content="width=device-width">`+
			`<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui;max-width:32rem;margin:20vh auto;padding:0 1rem}</style>`+
			`<h1>%[1]s</h1><p><a href="%[2]s">%[1]s</a></p><p>You can close this page afterwards.</p></html>`,
			html.EscapeString(title), target)
		fetched <- struct{}{}
	})
}
