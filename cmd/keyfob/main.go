// Command keyfob is the command line of Keyfob.
package main

import (
	"os"

	"github.com/keyfob/keyfob/internal/app"
	"github.com/keyfob/keyfob/internal/cli/root"
)

func main() { os.Exit(app.Main(root.New, os.Args[1:])) }
