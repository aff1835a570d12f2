package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
)

type devOptions struct {
	data                             string
	pages, http, https, nomad, mailP int
	journey, exit                    bool
	name                             string
	volumes                          string // folder with quotas for the volumes; one of Nomad's, without, when empty
	frama                            string // binary of the volume plugin; this one when empty
	images                           string // where they come from; no container engine is used when empty
	address                          string // of this machine, as containers reach it
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
the browser, and frama itself on SQLite. It needs root and what "make tools" gets. Applications run in containers, on the
machine's own engine, or else on one that all platforms of the machine share.

Names are under .localhost, which browsers take to this machine. Ctrl-C stops everything; the data folder stays, and the
next start finds its spaces again. The other commands work on it with --config <data>/frama.toml.

With --journey it also plays the way of a request, as people go it: form, mail, dashboard, frama provision.`,
		Example: `  frama dev
  frama dev --journey --exit          plays the journey, and stops, with status 0 when all went well
  frama dev --https-port 9443         where a port is taken`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkImagesOption(o.images); err != nil {
				return err
			}
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
	f.StringVar(&o.images, "images", imagesAuto, imagesUsage)
	f.StringVar(&o.address, "address", "", "`address` of this machine at which containers reach databases and the mailbox; by default that of the engine's bridge")
	f.BoolVar(&o.journey, "journey", false, "play the way of a request")
	f.BoolVar(&o.exit, "exit", false, "stop after the journey")
	f.StringVar(&o.name, "name", "jardins-du-lilas", "name of the space of the journey")
	return cmd
}

// dev starts everything, waits, and stops everything in the reverse order.
func (c *cli) dev(ctx context.Context, o devOptions) (err error) {
	defer heldSignals()()
	begun := now()
	if o.data, err = filepath.Abs(o.data); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	fmt.Fprintf(c.out, "frama %s: a platform in %s\n", version(), o.data)
	platform := &platform{cli: c, options: o}
	defer func() { err = errors.Join(err, platform.stop()) }()
	if err := platform.useEngine(ctx); err != nil {
		return interrupted(ctx, err)
	}
	if platform.needs, err = c.offeredNeeds(platform.images); err != nil {
		return err
	}
	if err := platform.start(ctx); err != nil {
		return interrupted(ctx, err)
	}
	for _, need := range platform.lacking() {
		fmt.Fprintf(c.out, "  without %s, so applications that need it cannot be provisioned: %v\n", need, platform.missing[need])
	}
	conf, err := platform.writeConfig()
	if err != nil {
		return err
	}
	return interrupted(ctx, platform.running(ctx, conf, func(ctx context.Context, a *app) error {
		return c.devShow(ctx, o, conf, platform, a, begun)
	}))
}

// heldSignals takes a second Ctrl-C, and ignores it, until the end: it must not leave some tasks behind while they are
// being stopped.
func heldSignals() (release func()) {
	hold := make(chan os.Signal, 8)
	signal.Notify(hold, os.Interrupt, syscall.SIGTERM)
	return func() { signal.Stop(hold) }
}

// interrupted turns what an interruption breaks off into an ordinary end.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// offeredNeeds lists the backing services of the applications that a platform with these images offers.
func (c *cli) offeredNeeds(images catalogue.Images) ([]string, error) {
	conf, err := loadConfig(os.DevNull, c.environ, nil) // what the platform's file does not say: folders of the catalogue
	if err != nil {
		return nil, err
	}
	apps, err := catalogue.Load(conf.Catalogue.folders()...)
	if err != nil {
		return nil, usageError{err}
	}
	var offered []catalogue.App
	here := apps.WithImages(images).Runnable()
	for _, k := range here.AllKinds() {
		wanted := k.Core
		if len(conf.Catalogue.Offer) > 0 {
			wanted = slices.Contains(conf.Catalogue.Offer, k.ID)
		}
		if app, ok := here.AppForKind(k.ID); ok && wanted {
			offered = append(offered, app)
		}
	}
	return needsOf(offered), nil
}

// devShow says what there is, and plays the journey where it is asked for. It returns when everything is to stop.
func (c *cli) devShow(ctx context.Context, o devOptions, conf config, p *platform, a *app, begun time.Time) error {
	if err := a.devUser(ctx, c); err != nil {
		return err
	}
	p.describe(conf, begun)
	if o.journey {
		err := p.journey(ctx, a, conf)
		switch {
		case o.exit:
			return err
		case err == nil:
			fmt.Fprintln(c.out, "\nEverything keeps running: Ctrl-C stops it.")
		default:
			fmt.Fprintf(c.out, "\nThe journey failed; everything keeps running, to look into it. Logs: %s\n", filepath.Join(o.data, "log"))
		}
	}
	<-ctx.Done()
	return nil
}

// devUser makes the account that the start prints.
func (a *app) devUser(ctx context.Context, c *cli) error {
	_, err := a.control.AddUser(ctx, c.actor(), devEmail, "Ana", hosting.RoleAdmin, devPassword)
	if hosting.CodeOf(err) == hosting.Conflict {
		return nil
	}
	return err
}
