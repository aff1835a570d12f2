package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/deploy/dev"
	"framagit.org/frama/frama/provisioner/trial"
)

type trialOptions struct {
	all, keep bool
	write     string
	plan      string
	images    string
}

func newCatalogueTestCommand(c *cli) *cobra.Command {
	var o trialOptions
	cmd := &cobra.Command{
		Use: "test [APP…]", Short: "Tries applications on a real cluster, and says which level each earns",
		Long: `Starts a platform of its own on this machine, in a temporary folder, and tries each application on it: its job is planned,
it is installed in frama's own steps, used over HTTPS, restarted, installed again, and deleted. Nothing of the configured
host is touched. It needs root and what "make tools" gets. Applications run in containers; one whose images can be neither
pulled nor were built on this machine (deploy/images/build) is only planned. docs/catalogue.md says what the levels mean.

Exit status: 0 when nothing that could be tried failed, 1 otherwise.`,
		Example: `  frama catalogue test etherpad
  frama catalogue test --all --write docs/catalogue.md
  FRAMA_CATALOGUE_DIRS=$PWD/my-apps frama catalogue test poll --keep`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkImagesOption(o.images); err != nil {
				return err
			}
			switch {
			case o.all && len(args) > 0:
				return usageError{errors.New("name applications, or give --all: not both")}
			case !o.all && len(args) == 0:
				return usageError{errors.New("name applications, or give --all (frama catalogue list shows them)")}
			}
			return c.catalogueTest(cmd.Context(), o, args)
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "try every application of the catalogue")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the folder of the platform, and what failed in it, to look into it")
	cmd.Flags().StringVar(&o.write, "write", "", "write the page of the catalogue, with the new levels, to this `file`")
	cmd.Flags().StringVar(&o.images, "images", imagesAuto, imagesUsage)
	cmd.Flags().StringVar(&o.plan, "plan", "", "plan whose sizes the instances get; the smallest when left out")
	return cmd
}

// catalogueTest tries applications on a platform that is there for that only.
func (c *cli) catalogueTest(ctx context.Context, o trialOptions, names []string) error {
	conf, all, err := c.loadCatalogue()
	if err != nil {
		return err
	}
	apps, err := chosen(all, o, names)
	if err != nil {
		return err
	}
	if o.plan == "" {
		o.plan = all.Plans()[0].ID
	} else if _, ok := all.Plan(o.plan); !ok {
		return usageError{fmt.Errorf("--plan: there is no plan %q", o.plan)}
	}
	if os.Geteuid() != 0 {
		return errors.New("frama catalogue test starts a Nomad and uses the container engine: run it as root (sudo)")
	}
	show := newTrialShow(c, apps)
	var results []trial.Result
	err = c.onTrialPlatform(ctx, conf, apps, o.images, o.keep, func(ctx context.Context, p *platform, a *app) error {
		results, err = c.tryAll(ctx, p, a, known(a.catalogue, apps), o, show)
		return err
	})
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing was written")
	}
	if o.write != "" {
		if err := writePage(o.write, all, results); err != nil {
			return err
		}
	}
	return show.summary(results, o)
}

// chosen lists the applications to try.
func chosen(all *catalogue.Catalogue, o trialOptions, names []string) ([]catalogue.App, error) {
	if o.all {
		return all.Apps(), nil
	}
	var apps []catalogue.App
	for _, name := range names {
		app, ok := all.App(name)
		if !ok {
			return nil, usageError{fmt.Errorf("the catalogue has no application %q: frama catalogue list shows those it has", name)}
		}
		if !slices.ContainsFunc(apps, func(known catalogue.App) bool { return known.Name == name }) {
			apps = append(apps, app)
		}
	}
	return apps, nil
}

// known are the applications as a platform knows them: with the images that it has.
func known(on *catalogue.Catalogue, apps []catalogue.App) []catalogue.App {
	out := slices.Clone(apps)
	for n, a := range apps {
		if here, ok := on.App(a.Name); ok {
			out[n] = here
		}
	}
	return out
}

// installable lists the applications that can be installed with these images.
func installable(apps *catalogue.Catalogue, images catalogue.Images, named []catalogue.App) []catalogue.App {
	return slices.DeleteFunc(known(apps.WithImages(images), named), func(a catalogue.App) bool { return !a.Installable() })
}

// onTrialPlatform starts a platform in a temporary folder, with the user's catalogue and nothing else of the
// configuration, and stops it when do has returned.
func (c *cli) onTrialPlatform(
	ctx context.Context, conf config, apps []catalogue.App, images string, keep bool, do func(context.Context, *platform, *app) error,
) (err error) {
	defer heldSignals()()
	dir, err := os.MkdirTemp("", "frama-trial")
	if err != nil {
		return fmt.Errorf("folder of the platform: %w", err)
	}
	// Tasks run as other users, below it.
	if err := os.Chmod(dir, 0o711); err != nil {
		return fmt.Errorf("folder of the platform: %w", err)
	}
	out := c.out
	if c.json {
		out = c.err
	}
	ports, err := dev.FreePorts(3)
	if err != nil {
		return err
	}
	p := &platform{
		// Variables of the environment are about the configured host, not about this platform.
		cli: &cli{in: c.in, out: out, err: c.err, environ: slices.DeleteFunc(slices.Clone(c.environ), func(pair string) bool {
			return strings.HasPrefix(pair, "FRAMA_")
		})},
		options: devOptions{data: dir, pages: ports[0], http: ports[1], https: ports[2], images: images},
	}
	defer func() {
		err = errors.Join(err, p.stopQuietly())
		if keep {
			fmt.Fprintf(out, "Kept: %s (logs in log and nomad/log; frama dev --data %s starts it again)\n", dir, dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err := p.useEngine(ctx); err != nil {
		return err
	}
	all, err := catalogue.Load(conf.Catalogue.folders()...)
	if err != nil {
		return usageError{err}
	}
	p.needs = needsOf(installable(all, p.images, apps))
	if err := p.start(ctx); err != nil {
		return err
	}
	own, err := p.writeConfig()
	if err != nil {
		return err
	}
	here := own.Catalogue
	own.Catalogue = conf.Catalogue
	own.Catalogue.Registry, own.Catalogue.Pull, own.Catalogue.Image, own.Catalogue.Offer = here.Registry, here.Pull, here.Image, nil
	// Somebody may run another platform on this machine.
	own.Ports.Min = 10000 + os.Getpid()%45*200
	own.Ports.Max = own.Ports.Min + 199
	return p.running(ctx, own, func(ctx context.Context, a *app) error { return do(ctx, p, a) })
}

// atOnce is how many applications are tried at a time: each takes a processor while it starts.
const atOnce = 2

// tryAll tries applications, two at a time.
func (c *cli) tryAll(
	ctx context.Context, p *platform, a *app, apps []catalogue.App, o trialOptions, show *trialShow,
) ([]trial.Result, error) {
	bench, err := newTrialBench(p, a, o.plan)
	if err != nil {
		return nil, err
	}
	results := make([]trial.Result, len(apps))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for n, app := range apps {
		group.Go(func() error {
			t := bench.trial(app)
			t.Keep, t.Tell = o.keep, show.tell
			results[n] = t.Run(ctx)
			show.ended(results[n])
			return nil
		})
	}
	return results, errors.Join(group.Wait(), context.Cause(ctx))
}

// newWord is a fresh word of letters, for the name of an object.
func newWord() string {
	return "essai" + strings.ToLower(rand.Text()[:10])
}

// stopQuietly stops a platform whose data nobody looks for.
func (p *platform) stopQuietly() error {
	p.cli.out = io.Discard
	return p.stop()
}
