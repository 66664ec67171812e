// Command keyfobd is the service of Keyfob.
package main

import (
	"os"

	"github.com/keyfob/keyfob/internal/app"
	"github.com/keyfob/keyfob/internal/daemon"
)

func main() { os.Exit(app.Main(daemon.NewRoot, os.Args[1:])) }
