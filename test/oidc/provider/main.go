// Command provider is an OpenID provider that others wrote, for tests: zitadel's example server, with the accounts of a file.
//
//	provider USERS.json
//
// It prints its issuer, then reads the one address that it may send browsers back to, then serves until stdin ends: the service
// under test wants the issuer before it says where it listens. The clients are "web", whose secret is "secret", and "native",
// which has none.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "provider:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("want USERS.json, got %d arguments", len(os.Args)-1)
	}
	users, err := storage.StoreFromFile(os.Args[1])
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	issuer := "http://" + listener.Addr().String()
	if _, err := fmt.Printf("%q\n", issuer); err != nil {
		return err
	}
	var callback string
	if _, err := fmt.Scanln(&callback); err != nil {
		return fmt.Errorf("where to send browsers back to: %w", err)
	}
	storage.RegisterClients(storage.WebClient("web", "secret", callback), storage.NativeClient("native", callback))
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler:           exampleop.SetupServer(issuer, storage.NewStorage(users), slog.New(slog.NewTextHandler(os.Stderr, nil)), false),
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}
