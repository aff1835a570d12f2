package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/seal"
)

type devOptions struct {
	data                             string
	pages, http, https, nomad, mailP int
	journey, exit                    bool
	name                             string
}

// devPassword is for a platform on one's own machine; it is printed at the start.
const (
	devEmail    = "admin@frama.localhost"
	devPassword = "frama-sur-ma-machine"
)

func newDevCommand(c *cli) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use: "dev", GroupID: "run", Args: cobra.NoArgs, Short: "Runs a complete platform on this machine, to try and to develop",
		Long: `Starts a complete platform on this machine: a Nomad agent with ACL, an ACME test server, HAProxy, a mailbox to read in
the browser, and frama itself on SQLite. It needs root (Nomad runs tasks in a chroot) and what "make tools" gets.
Names are under .localhost, which browsers take to this machine. Ctrl-C stops everything; the data folder stays, and the
next start finds its spaces again. The other commands work on it with --config <data>/frama.toml.

With --journey it also plays the way of a request, as people go it: form, mail, dashboard, frama provision.`,
		Example: `  frama dev
  frama dev --journey --exit          plays the journey, stops, and says with its status whether all went well
  frama dev --https-port 9443         where a port is taken`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.exit && !o.journey {
				return usageError{errors.New("--exit needs --journey: without it there is nothing to wait for")}
			}
			return c.dev(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "frama-data", "`folder` for everything that lasts")
	f.IntVar(&o.pages, "pages-port", 8600, "port of the form and the dashboard")
	f.IntVar(&o.https, "https-port", 8443, "port of the ingress for HTTPS")
	f.IntVar(&o.http, "http-port", 8080, "port of the ingress for HTTP")
	f.IntVar(&o.nomad, "nomad-port", 4646, "port of Nomad")
	f.IntVar(&o.mailP, "mail-port", 1080, "port of the mailbox in the browser")
	f.BoolVar(&o.journey, "journey", false, "play the way of a request")
	f.BoolVar(&o.exit, "exit", false, "stop after the journey")
	f.StringVar(&o.name, "name", "jardins-du-lilas", "name of the space of the journey")
	return cmd
}

// dev starts everything, waits, and stops everything in the reverse order.
func (c *cli) dev(ctx context.Context, o devOptions) (err error) {
	// A second Ctrl-C while tasks are being stopped must not leave some behind: it is taken, and ignored, until the end.
	hold := make(chan os.Signal, 8)
	signal.Notify(hold, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(hold)

	begun := now()
	if o.data, err = filepath.Abs(o.data); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	fmt.Fprintf(c.out, "frama %s: a platform in %s\n", version(), o.data)
	platform := &platform{cli: c, options: o}
	defer func() { err = errors.Join(err, platform.stop()) }()
	if err := platform.start(ctx); err != nil {
		return interrupted(ctx, err)
	}
	conf, err := platform.writeConfig()
	if err != nil {
		return err
	}
	return interrupted(ctx, c.devServe(ctx, o, conf, platform, begun))
}

// interrupted turns what an interruption breaks off into an ordinary end.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// devServe runs frama and its ingress agent on the platform until ctx ends, or until the journey is over with --exit.
func (c *cli) devServe(ctx context.Context, o devOptions, conf config, p *platform, begun time.Time) error {
	logs, err := os.OpenFile(filepath.Join(o.data, "log", "frama.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("frama's log: %w", err)
	}
	defer logs.Close()
	inner := &cli{in: c.in, out: c.out, err: logs, environ: c.environ}
	a, err := inner.wire(ctx, conf, seal.LoadOrMake)
	if err != nil {
		return err
	}
	defer a.store.Close()
	if _, err := a.migrate(ctx); err != nil {
		return err
	}
	if err := a.devUser(ctx, inner); err != nil {
		return err
	}
	agent, err := inner.edgeAgent(conf, true)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	ready := make(chan struct{})
	group.Go(func() error { return a.serve(ctx, ready) })
	group.Go(func() error { return agent.Run(ctx) })
	group.Go(func() error { return p.watch(ctx) })
	group.Go(func() error {
		for _, started := range []<-chan struct{}{ready, agent.Ready()} {
			select {
			case <-started:
			case <-ctx.Done():
				return nil
			}
		}
		p.describe(conf, begun)
		if !o.journey {
			return nil
		}
		err := p.journey(ctx, a, conf)
		if o.exit {
			cancel()
		} else if err == nil {
			fmt.Fprintln(c.out, "\nEverything keeps running: Ctrl-C stops it.")
		} else {
			fmt.Fprintf(c.out, "\nThe journey failed; everything keeps running, to look into it. Logs: %s\n", filepath.Join(o.data, "log"))
			return nil
		}
		return err
	})
	err = group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// devUser makes the account that the start prints.
func (a *app) devUser(ctx context.Context, c *cli) error {
	_, err := a.control.AddUser(ctx, c.actor(), devEmail, "Ana", hosting.RoleAdmin, devPassword)
	if hosting.CodeOf(err) == hosting.Conflict {
		return nil
	}
	return err
}
