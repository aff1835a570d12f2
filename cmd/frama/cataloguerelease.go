package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/catalogue/release"
)

// folders lists where applications come from beside the binary: the release that the host follows, then its own folders,
// which win.
func (c catalogueConf) folders() []string {
	dirs := slices.Clone(c.Dirs)
	if current := (release.Home{Dir: c.Data}).Current(); current != "" {
		dirs = append([]string{current}, dirs...)
	}
	return dirs
}

type updateOptions struct{ yes, back, dry bool }

func newCatalogueUpdateCommand(c *cli) *cobra.Command {
	var o updateOptions
	cmd := &cobra.Command{
		Use: "update [SOURCE]", Args: cobra.MaximumNArgs(1), Short: "Brings in a newer release of the shared catalogue that this host follows",
		Long: `Fetches a signed catalogue (catalogue.source, or the one that is named: an https address of a .tar.gz, such a file, or a
folder), checks its signature against catalogue.key and every file against what was signed, shows what it changes, asks, and
installs it. Releases only go forward; --back returns to the one before, as it was installed here.

Folders of your own (catalogue.dirs) stay as they are and win over it. Nothing that runs is changed: new versions reach spaces
when they are upgraded.`,
		Example: "  frama catalogue update\n  frama catalogue update ./chatons-12.tar.gz --dry-run\n  frama catalogue update --back",
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			home := release.Home{Dir: conf.Catalogue.Data}
			if o.back {
				if len(args) > 0 {
					return usageError{errors.New("--back returns to the release before: it takes no source")}
				}
				return c.catalogueBack(home, o)
			}
			if len(args) > 0 {
				conf.Catalogue.Source = args[0]
			}
			return c.catalogueUpdate(cmd.Context(), conf.Catalogue, home, o)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.back, "back", false, "return to the release before")
	cmd.Flags().BoolVar(&o.dry, "dry-run", false, "check and show, change nothing")
	return cmd
}

// change is what an update does to one application.
type change struct {
	App    string `json:"app"`
	Before string `json:"before,omitempty"` // version and status, empty for a new application
	After  string `json:"after,omitempty"`  // empty for one that is gone
}

func (c *cli) catalogueUpdate(ctx context.Context, conf catalogueConf, home release.Home, o updateOptions) error {
	switch {
	case conf.Source == "":
		return usageError{errors.New("which catalogue? Name one, or set catalogue.source")}
	case conf.Key == "":
		return usageError{errors.New("set catalogue.key to the public key of the catalogue's publisher: what is not signed is not installed")}
	}
	fresh, err := home.Fresh()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(filepath.Dir(fresh)) }()
	if err := release.Fetch(ctx, conf.Source, fresh); err != nil {
		return err
	}
	next, err := release.Verify(fresh, conf.Key)
	if err != nil {
		return err
	}
	if err := home.Accept(next); err != nil {
		return err
	}
	before, err := catalogue.Load(conf.folders()...)
	if err != nil {
		return err
	}
	after, err := catalogue.Load(append([]string{fresh}, conf.Dirs...)...)
	if err != nil {
		return fmt.Errorf("%s version %d does not go with this frama or with your folders; nothing was changed:\n%w", next.Name, next.Version, err)
	}
	if found, err := after.Lint(ctx, nil); err != nil || len(found) > 0 {
		return fmt.Errorf("%s version %d has mistakes; nothing was changed:\n%w", next.Name, next.Version, errors.Join(found, err))
	}
	changes := compareCatalogues(before, after)
	now, installed, err := home.Installed()
	if err != nil {
		return err
	}
	report := map[string]any{"name": next.Name, "version": next.Version, "date": next.Date, "changes": changes, "installed": false}
	if installed && now.Version == next.Version {
		return c.print(report, func(w io.Writer) { fmt.Fprintf(w, "%s version %d is installed already.\n", next.Name, next.Version) })
	}
	if !c.json {
		fmt.Fprintf(c.out, "%s version %d of %s, signed by the key of catalogue.key\n", next.Name, next.Version, next.Date.Format("2 January 2006"))
		c.showChanges(changes)
	}
	if o.dry {
		return c.print(report, func(w io.Writer) { fmt.Fprintln(w, "Nothing was changed.") })
	}
	if err := c.agree(o.yes, "Install it?"); err != nil {
		return err
	}
	if err := home.Install(fresh, next); err != nil {
		return err
	}
	report["installed"] = true
	return c.print(report, func(w io.Writer) {
		fmt.Fprintln(w, "Installed. Restart frama serve to offer it. To return to what was before: frama catalogue update --back")
	})
}

func (c *cli) catalogueBack(home release.Home, o updateOptions) error {
	now, ok, err := home.Installed()
	if err != nil {
		return err
	}
	if ok && !o.dry {
		if err := c.agree(o.yes, fmt.Sprintf("Return from %s version %d to the release before?", now.Name, now.Version)); err != nil {
			return err
		}
	}
	if o.dry {
		return usageError{errors.New("--back and --dry-run do not go together")}
	}
	x, err := home.Back()
	if err != nil {
		return err
	}
	return c.print(map[string]any{"name": x.Name, "version": x.Version}, func(w io.Writer) {
		fmt.Fprintf(w, "%s version %d is in use again. Restart frama serve to offer it.\n", x.Name, x.Version)
	})
}

// compareCatalogues lists what changes, by name.
func compareCatalogues(before, after *catalogue.Catalogue) []change {
	changes := []change{}
	describe := func(a catalogue.App) string {
		text := a.Version()
		if a.Status != catalogue.Stable {
			text += " (" + a.Status + ")"
		}
		return text
	}
	for _, a := range after.Apps() {
		was, ok := before.App(a.Name)
		switch {
		case !ok:
			changes = append(changes, change{App: a.Name, After: describe(a)})
		case describe(was) != describe(a):
			changes = append(changes, change{App: a.Name, Before: describe(was), After: describe(a)})
		}
	}
	for _, a := range before.Apps() {
		if _, ok := after.App(a.Name); !ok {
			changes = append(changes, change{App: a.Name, Before: describe(a)})
		}
	}
	return changes
}

func (c *cli) showChanges(changes []change) {
	for _, one := range changes {
		switch {
		case one.Before == "":
			fmt.Fprintf(c.out, "  new      %s %s\n", one.App, one.After)
		case one.After == "":
			fmt.Fprintf(c.out, "  gone     %s %s (what runs keeps running, but cannot be provisioned again)\n", one.App, one.Before)
		default:
			fmt.Fprintf(c.out, "  changed  %s %s → %s\n", one.App, one.Before, one.After)
		}
	}
	if len(changes) == 0 {
		fmt.Fprintln(c.out, "  no application or version changes")
	}
}

// agree asks a person. Where nobody can answer, only --yes goes on.
func (c *cli) agree(yes bool, question string) error {
	if yes {
		return nil
	}
	if !c.interactive() {
		return usageError{errors.New(question + " There is nobody to ask here: add --yes")}
	}
	fmt.Fprint(c.out, question+" [y/N] ")
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "o", "oui":
		return nil
	}
	return errors.New("nothing was changed")
}

func newCatalogueSignCommand(c *cli) *cobra.Command {
	var x release.Index
	var key string
	cmd := &cobra.Command{
		Use: "sign FOLDER", Args: cobra.ExactArgs(1), Short: "Makes a folder of applications a signed release that other hosts can follow",
		Long: `Writes release.txt (name, version and the SHA-256 of every file) and its signature into the folder, after checking that the
catalogue has no mistakes. Publish the folder as a .tar.gz, and the public key somewhere else. The password of the key is asked
for, or read from standard input.`,
		Example: `  frama catalogue key chatons.key
  frama catalogue sign ./apps --key chatons.key --name chatons.example --release 12
  tar -czf chatons-12.tar.gz apps`,
		RunE: func(cmd *cobra.Command, args []string) error {
			apps, err := catalogue.Load(args[0])
			if err != nil {
				return err
			}
			if found, err := apps.Lint(cmd.Context(), nil); err != nil || len(found) > 0 {
				return errors.Join(found, err)
			}
			x.Date = now()
			password := func() (string, error) { return c.readPassword("Password of " + key + ": ") }
			if x, err = release.Sign(args[0], x, key, password); err != nil {
				return err
			}
			return c.print(map[string]any{"name": x.Name, "version": x.Version, "files": len(x.Files)}, func(w io.Writer) {
				fmt.Fprintf(w, "Signed: %s version %d, %d files. Whoever changes one of them has to sign again.\n", x.Name, x.Version, len(x.Files))
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "`file` of the private key")
	cmd.Flags().StringVar(&x.Name, "name", "", "who publishes it, as a host name")
	cmd.Flags().IntVar(&x.Version, "release", 0, "number of the release; larger than all before")
	for _, name := range []string{"key", "name", "release"} {
		_ = cmd.MarkFlagRequired(name) // it exists
	}
	return cmd
}

func newCatalogueKeyCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use: "key FILE", Args: cobra.ExactArgs(1), Short: "Makes a key to sign a catalogue with", Example: "  frama catalogue key chatons.key",
		RunE: func(_ *cobra.Command, args []string) error {
			password, err := c.askPassword()
			if err != nil {
				return err
			}
			public, err := release.NewKey(args[0], password)
			if err != nil {
				return err
			}
			return c.print(map[string]string{"public": public}, func(w io.Writer) {
				fmt.Fprintf(w, "The private key is in %s: keep it, and its password, apart from the machine that publishes.\n"+
					"Those who follow you set:\n\n  [catalogue]\n  key = %q\n", args[0], public)
			})
		},
	}
}
