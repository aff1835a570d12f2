package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
)

func newCatalogueNewCommand(c *cli) *cobra.Command {
	var d catalogue.Draft
	dir := "."
	cmd := &cobra.Command{
		Use: "new NAME", Args: cobra.ExactArgs(1), Short: "Starts a new application: a folder with a manifest and a job",
		Long: `Writes NAME/app.hcl and NAME/job.nomad.hcl into the folder. They pass "frama catalogue lint"; what people read, the licence,
the sizes and the first steps are yours to say. docs/develop/add-an-application.md goes through it, step by step.`,
		Example: "  frama catalogue new radicale --dir my-apps --kind calendars --image ghcr.io/kozea/radicale:3.5.4 --port 5232 --data /var/lib/radicale",
		RunE: func(_ *cobra.Command, args []string) error {
			d.Name = args[0]
			conf, err := c.load()
			if err != nil {
				return err
			}
			folders := conf.Catalogue.folders()
			if _, err := os.Stat(dir); err == nil && !slices.Contains(folders, dir) {
				folders = append(folders, dir) // its kinds count
			}
			apps, err := catalogue.Load(folders...)
			if err != nil {
				return err
			}
			files, err := apps.Scaffold(d)
			if err != nil {
				return usageError{err}
			}
			place := filepath.Join(dir, d.Name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make %s: %w", dir, err)
			}
			if err := os.Mkdir(place, 0o755); errors.Is(err, os.ErrExist) {
				return fmt.Errorf("%s exists: nothing was written over it", place)
			} else if err != nil {
				return fmt.Errorf("make %s: %w", place, err)
			}
			written := []string{}
			for _, name := range []string{"app.hcl", "job.nomad.hcl"} {
				file := filepath.Join(place, name)
				if err := os.WriteFile(file, []byte(files[name]), 0o644); err != nil {
					return fmt.Errorf("write %s: %w", file, err)
				}
				written = append(written, file)
			}
			return c.print(written, func(w io.Writer) {
				for _, file := range written {
					fmt.Fprintln(w, "written:", file)
				}
				fmt.Fprintf(w, "Fill in app.hcl, then: frama catalogue lint %s\n", dir)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", ".", "`folder` of your applications, one of catalogue.dirs")
	f.StringVar(&d.Kind, "kind", "", "what it is for, see frama catalogue list")
	f.StringVar(&d.Image, "image", "", "container image with registry and full version")
	f.IntVar(&d.Port, "port", 0, "port the container listens on")
	f.StringVar(&d.Path, "data", "", "where the container keeps its data; empty for none")
	f.IntVar(&d.UID, "uid", 1000, "user the container runs as, who owns the data")
	f.StringSliceVar(&d.Needs, "needs", nil, "backing services: postgres, mysql, redis, s3, smtp")
	for _, name := range []string{"kind", "image", "port"} {
		_ = cmd.MarkFlagRequired(name) // it exists
	}
	return cmd
}
