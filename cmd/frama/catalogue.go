package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/nomad"
)

func newCatalogueCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "catalogue", GroupID: "admin", Short: "The applications: list, show, lint"},
		newCatalogueListCommand(c), newCatalogueShowCommand(c), newCatalogueLintCommand(c))
}

// appLine is an application as the commands print it.
type appLine struct {
	Name, Kind, Title, Version, Status, License, Origin string
	Variants, Overrides, Exceptions                     []string
	Upstream, Description, Backup, Upgrade              string
	CharterOK                                           bool
}

func lineOf(app catalogue.App, variant string) appLine {
	return appLine{
		Name: app.Name, Kind: app.Kind, Title: app.Title("en"), Version: app.Version(variant), Status: app.Status, License: app.License,
		Origin: app.Origin, Variants: app.Variants(), Overrides: app.Overrides, Exceptions: app.Exceptions, Upstream: app.Upstream,
		Description: app.Description("en"), Backup: app.Backup, Upgrade: app.Upgrade, CharterOK: app.CharterOK,
	}
}

// loadCatalogue reads the embedded catalogue and the configured folders.
func (c *cli) loadCatalogue() (config, *catalogue.Catalogue, error) {
	conf, err := c.load()
	if err != nil {
		return conf, nil, err
	}
	apps, err := catalogue.Load(conf.Catalogue.Dirs...)
	return conf, apps, err
}

func newCatalogueListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists the applications", Example: "  frama catalogue list",
		RunE: func(*cobra.Command, []string) error {
			conf, apps, err := c.loadCatalogue()
			if err != nil {
				return err
			}
			var lines []appLine
			for _, app := range apps.Apps() {
				lines = append(lines, lineOf(app, conf.Catalogue.Variant))
			}
			return c.print(lines, func(w io.Writer) {
				t := newTable(w, "NAME", "KIND", "TITLE", "VERSION", "STATUS", "LICENCE", "VARIANTS", "FROM")
				for _, l := range lines {
					t.row(l.Name, l.Kind, l.Title, l.Version, l.Status, l.License, strings.Join(l.Variants, ","), l.Origin)
				}
				t.flush()
			})
		},
	}
}

func newCatalogueShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "show APP", Args: cobra.ExactArgs(1), Short: "Shows one application", Example: "  frama catalogue show etherpad",
		RunE: func(_ *cobra.Command, args []string) error {
			conf, apps, err := c.loadCatalogue()
			if err != nil {
				return err
			}
			app, ok := apps.App(args[0])
			if !ok {
				return fmt.Errorf("the catalogue has no application %q: frama catalogue list shows those it has", args[0])
			}
			l := lineOf(app, conf.Catalogue.Variant)
			return c.print(l, func(w io.Writer) {
				fmt.Fprintf(w, "%s — %s\n%s\n\n", l.Name, l.Title, l.Description)
				t := newTable(w)
				t.row("kind", l.Kind)
				t.row("version", l.Version+" ("+l.Status+")")
				t.row("licence", l.License)
				t.row("exceptions", strings.Join(l.Exceptions, "; "))
				t.row("sources", l.Upstream)
				t.row("variants", strings.Join(l.Variants, ", "))
				t.row("backup", l.Backup)
				t.row("upgrade", l.Upgrade)
				t.row("from", l.Origin)
				for _, p := range apps.Plans() {
					r := app.Size(p.ID)
					t.row("plan "+p.ID, fmt.Sprintf("%d MHz, %d–%d MiB of memory, %d MiB of disk", r.CPU, r.Memory, r.Limit(), r.Disk))
				}
				t.flush()
			})
		},
	}
}

func newCatalogueLintCommand(c *cli) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "lint [FOLDER…]", Short: "Checks every manifest and job file, with file, line and reason",
		Long: `Checks the embedded catalogue, the configured folders and the named ones. The job files are parsed, changed and
checked by the same code that provisions them, and planned by the Nomad of the configuration; --offline does without.`,
		Example: "  frama catalogue lint\n  frama catalogue lint ./my-apps --offline",
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			apps, err := catalogue.Load(append(conf.Catalogue.Dirs, args...)...)
			var mistakes catalogue.Diagnostics
			if errors.As(err, &mistakes) {
				return c.mistakes(mistakes)
			}
			if err != nil {
				return err
			}
			var check catalogue.Check
			if !offline {
				cluster, err := (&app{config: conf}).cluster()
				if err != nil {
					return err
				}
				check = checkWith(cluster)
			}
			mistakes, err = apps.Lint(cmd.Context(), check)
			if err != nil {
				return fmt.Errorf("%w (without a cluster: --offline)", err)
			}
			return c.mistakes(mistakes)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask Nomad")
	return cmd
}

// checkWith asks a cluster about job files; native ones under the policy of development.
func checkWith(cluster *nomad.Cluster) catalogue.Check {
	return func(ctx context.Context, f catalogue.JobFile) ([]catalogue.Finding, error) {
		policy := nomad.ProductionPolicy()
		if f.Variant == catalogue.Native {
			policy = nomad.DevelopmentPolicy()
		}
		found, err := cluster.Check(ctx, provisioner.Job{
			ID: "lint-" + f.App, SpaceID: "lint", InstanceID: "lint", Source: f.Source, Path: f.Path, Variables: f.Variables, Node: f.Node,
			Volume: f.Volume, Port: f.Port, CPU: f.CPU, Memory: f.Memory, MemoryMax: f.MemoryMax,
		}, policy)
		var out []catalogue.Finding
		for _, one := range found {
			out = append(out, catalogue.Finding(one))
		}
		return out, err
	}
}

func (c *cli) mistakes(list catalogue.Diagnostics) error {
	if c.json {
		if err := c.print(list, nil); err != nil {
			return err
		}
	} else if len(list) == 0 {
		fmt.Fprintln(c.out, "No mistake found.")
	} else {
		fmt.Fprintln(c.out, list.Error())
	}
	if len(list) > 0 {
		return errSilent
	}
	return nil
}
