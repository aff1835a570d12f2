package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
)

func newCatalogueCommand(c *cli) *cobra.Command {
	return parent(&cobra.Command{Use: "catalogue", GroupID: "admin", Short: "The applications: list, show, lint, pin, test, new, update"},
		newCatalogueListCommand(c), newCatalogueShowCommand(c), newCatalogueLintCommand(c), newCataloguePinCommand(c), newCatalogueTestCommand(c),
		newCatalogueNewCommand(c), newCatalogueUpdateCommand(c), newCatalogueSignCommand(c), newCatalogueKeyCommand(c))
}

// appLine is an application as the commands print it.
type appLine struct {
	Name, Kind, Title, Version, Status, License, Origin string
	Overrides, Exceptions, Lacking                      []string
	Image, Planned                                      string // of a built image and what the job names
	Upstream, Description, Backup, Upgrade              string
	ReplacedBy, Tenancy, Quota, Suspend                 string
	CharterOK, PermanentHost                            bool
	Tasks, Needs, Images, Secrets, Includes             []string
	Measures, Docs, Unverified                          []string
}

func lineOf(app catalogue.App) appLine {
	l := appLine{
		Name: app.Name, Kind: app.Kind, Title: app.Title("en"), Version: app.Version(), Status: app.Status, License: app.License,
		Origin: app.Origin, Lacking: app.Lacking(), Overrides: app.Overrides, Exceptions: app.Exceptions("en"), Upstream: app.Upstream,
		Description: app.Description("en"), Backup: app.Backup, Upgrade: app.Upgrade, CharterOK: app.CharterOK,
		ReplacedBy: app.ReplacedBy, Tenancy: app.Tenancy, Quota: app.Quota, Suspend: app.Suspend, PermanentHost: app.PermanentHost,
		Docs: app.Docs, Unverified: app.Unverified, Includes: slices.Sorted(maps.Keys(app.Includes)),
	}
	run := app.Run()
	if built, ok := app.Built(); ok {
		l.Image, l.Planned = built.Use, run.Version
	}
	l.Tasks, l.Needs = run.Tasks, run.Needs
	for _, task := range slices.Sorted(maps.Keys(run.Images)) {
		image := run.Images[task]
		text := task + ": " + image.Reference
		if image.Digest != "" {
			text += "@" + image.Digest
		}
		if image.Build != "" {
			text += " (built by the host, from " + image.Build + ")"
		}
		l.Images = append(l.Images, text)
	}
	for _, secret := range app.Secrets {
		kind := "rotatable"
		if secret.Permanent {
			kind = "permanent"
		}
		l.Secrets = append(l.Secrets, secret.Name+" ("+kind+")")
	}
	for _, usage := range run.Usage {
		l.Measures = append(l.Measures, usage.Metric+" ("+usage.From+")")
	}
	return l
}

// loadCatalogue reads the embedded catalogue and the configured folders.
func (c *cli) loadCatalogue() (config, *catalogue.Catalogue, error) {
	conf, err := c.load()
	if err != nil {
		return conf, nil, err
	}
	apps, err := catalogue.Load(conf.Catalogue.folders()...)
	if err != nil {
		return conf, nil, err
	}
	return conf, apps.WithImages(conf.Catalogue.images()), nil
}

func newCatalogueListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "list", Args: cobra.NoArgs, Short: "Lists the applications", Example: "  frama catalogue list",
		RunE: func(*cobra.Command, []string) error {
			_, apps, err := c.loadCatalogue()
			if err != nil {
				return err
			}
			var lines []appLine
			for _, app := range apps.Apps() {
				lines = append(lines, lineOf(app))
			}
			return c.print(lines, func(w io.Writer) {
				t := newTable(w, "NAME", "KIND", "TITLE", "VERSION", "STATUS", "LICENCE", "FROM")
				for _, l := range lines {
					t.row(l.Name, l.Kind, l.Title, l.Version, l.Status, l.License, l.Origin)
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
			_, apps, err := c.loadCatalogue()
			if err != nil {
				return err
			}
			app, ok := apps.App(args[0])
			if !ok {
				return fmt.Errorf("the catalogue has no application %q: frama catalogue list shows those it has", args[0])
			}
			l := lineOf(app)
			return c.print(l, func(w io.Writer) {
				fmt.Fprintf(w, "%s — %s\n%s\n\n", l.Name, l.Title, l.Description)
				t := newTable(w)
				some := func(name, text string) {
					if text != "" {
						t.row(name, text)
					}
				}
				each := func(name string, texts []string) {
					for i, text := range texts {
						if i > 0 {
							name = ""
						}
						t.row(name, text)
					}
				}
				t.row("kind", l.Kind)
				some("includes", strings.Join(l.Includes, ", "))
				t.row("version", l.Version+" ("+l.Status+")")
				some("migrate to", l.ReplacedBy)
				t.row("licence", l.License)
				each("exceptions", l.Exceptions)
				t.row("sources", l.Upstream)
				t.row("serves", map[string]string{catalogue.PerSpace: "one association", catalogue.Shared: "all associations"}[l.Tenancy])
				if l.Image != "" {
					some("runs", l.Image+", built on this machine, instead of version "+l.Planned)
				}
				some("images missing here", strings.Join(l.Lacking, ", "))
				some("tasks", strings.Join(l.Tasks, ", "))
				each("images", l.Images)
				some("needs", strings.Join(l.Needs, ", "))
				some("secrets", strings.Join(l.Secrets, ", "))
				t.row("backup", l.Backup)
				t.row("upgrade", l.Upgrade)
				if l.PermanentHost {
					t.row("host name", "can never change")
				}
				t.row("suspension", l.Suspend)
				t.row("quota", l.Quota)
				some("measures", strings.Join(l.Measures, ", "))
				each("unverified", l.Unverified)
				each("checked with", l.Docs)
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
