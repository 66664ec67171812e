package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

const (
	keyfobAddress = "127.0.0.1:17420"
	bareAddress   = "127.0.0.1:17421"
	nginxAddress  = "127.0.0.1:17422"
)

const (
	bareName   = "bare handler"
	keyfobName = "keyfobd"
	authzPath  = "/v1/authz"

	askedFile  = "asked"
	askedNginx = "asked-nginx"
	nginxMost  = 10_000 // nginx reads its map at start
)

func (b *bench) bareServer() server {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return server{bareName, "http://" + bareAddress, []string{self, "-bare", filepath.Join(b.dir, askedFile)}, askedFile, everyServer()}
}

func (b *bench) nginxServer() server {
	return server{
		"nginx static map", "http://" + nginxAddress, []string{"nginx", "-p", b.dir, "-e", "stderr", "-c", "nginx.conf"}, askedNginx, everyServer(),
	}
}

func (b *bench) keyfobServer() server {
	program, err := filepath.Abs(b.program)
	if err != nil {
		program = b.program
	}
	return server{keyfobName, "http://" + keyfobAddress + authzPath, []string{
		program, "serve", "--setup-link=false", "--listen", keyfobAddress, "--data-dir", filepath.Join(b.dir, "data"),
		"--mcp-upstream", "http://" + toolsAddress + mcpPath,
	}, askedFile, ofKeyfob()}
}

// serveBare serves the least that a check can be: hash, look up, note the use, answer.
func (o options) serveBare(ctx context.Context) error {
	file, err := os.Open(o.bare)
	if err != nil {
		return err
	}
	defer file.Close()
	type known struct{ used atomic.Int64 }
	keys := map[[32]byte]*known{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		keys[sha256.Sum256(lines.Bytes())] = &known{}
	}
	s := &http.Server{Addr: bareAddress, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := keys[sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))]
		if k == nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		k.used.Store(time.Now().UnixMicro())
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
