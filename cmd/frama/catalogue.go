package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
)

func newCatalogueCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "catalogue", GroupID: "admin", Short: "The applications: list, show, lint"},
		newCatalogueListCommand(c), newCatalogueShowCommand(c), newCatalogueLintCommand(c), newCatalogueTestCommand(c),
		newCatalogueNewCommand(c), newCatalogueUpdateCommand(c), newCatalogueSignCommand(c), newCatalogueKeyCommand(c))
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
		Origin: app.Origin, Variants: app.Variants(), Overrides: app.Overrides, Exceptions: app.Exceptions("en"), Upstream: app.Upstream,
		Description: app.Description("en"), Backup: app.Backup, Upgrade: app.Upgrade, CharterOK: app.CharterOK,
	}
}

// loadCatalogue reads the embedded catalogue and the configured folders.
func (c *cli) loadCatalogue() (config, *catalogue.Catalogue, error) {
	conf, err := c.load()
	if err != nil {
		return conf, nil, err
	}
	apps, err := catalogue.Load(conf.Catalogue.folders()...)
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
