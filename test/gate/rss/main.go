// Command rss runs a command with its output thrown away and prints the peak resident memory of it in KiB (Linux). It
// exists because the kernel counts the memory of whoever calls exec into the peak of what it becomes: a small caller
// measures truly, a Go test does not.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmd := exec.CommandContext(context.Background(), os.Args[1], os.Args[2:]...)
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "rss:", err)
		os.Exit(1)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		fmt.Fprintln(os.Stderr, "rss: no resource usage on this system")
		os.Exit(1)
	}
	fmt.Println(usage.Maxrss)
}
