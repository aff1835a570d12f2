// Command frama is the control plane of an alternative host: web service, worker, ingress agent and command line in one
// binary. This package alone reads the configuration and wires the parts.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses, listed in the help.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
