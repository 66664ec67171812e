// Command install gets the AI clients of test/clients/clients.json into the test cache and prints where their commands
// are.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/keyfob/keyfob/test/clients"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cache, err := clients.Cache()
	if err != nil {
		return err
	}
	all, err := clients.All()
	if err != nil {
		return err
	}
	for _, c := range all {
		bin, err := c.Install(ctx, cache)
		if err != nil {
			return err
		}
		fmt.Println(filepath.Join(bin, c.Name))
	}
	return nil
}
