// Command install gets the AI clients of test/clients/clients.json into the test cache and prints where their commands
// are: those that CI runs, with -more all.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/keyfob/keyfob/test/clients"
)

func main() {
	more := flag.Bool("more", false, "all clients, not those alone that CI runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *more)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, more bool) error {
	cache, err := clients.Cache()
	if err != nil {
		return err
	}
	all, err := clients.All()
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.More && !more {
			continue
		}
		bin, err := c.Install(ctx, cache)
		if err != nil {
			return err
		}
		fmt.Println(filepath.Join(bin, c.Command))
	}
	return nil
}
