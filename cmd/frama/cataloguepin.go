package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/catalogue/pin"
)

func newCataloguePinCommand(c *cli) *cobra.Command {
	var check, update bool
	cmd := &cobra.Command{
		Use: "pin [FOLDER…]", Short: "Writes the digest of each image into its manifest, as its registry gives it",
		Long: `Asks the registry of each image for its digest and writes it into app.hcl (image, digest). From then on the job runs that
very image: neither the registry nor anybody who gets at it can put another under the same name.

A FOLDER is one application (it has an app.hcl) or holds several; without one, those of catalogue.dirs. The embedded catalogue is
part of the binary and can only be checked. Images that the host builds itself are left out.

A digest that is there stays, also where the registry has another image under the name by now: that is reported, and the status
is 1. --update writes the new one. Where a registry does not answer, nothing is written.

--check writes nothing: the status is 1 when an image is not pinned or the registry has another one. Without FOLDER it looks at
the embedded catalogue too. Credentials are those of docker login.`,
		Example: "  frama catalogue pin ./my-app\n  frama catalogue pin --check",
		RunE: func(cmd *cobra.Command, folders []string) error {
			conf, err := c.load()
			if err != nil {
				return err
			}
			apps, err := appsToPin(conf, folders, check)
			if err != nil {
				return err
			}
			images := pin.Images(apps)
			if err := pin.Compare(cmd.Context(), images, pin.Registries{}); err != nil {
				return fmt.Errorf("nothing was written, since not every registry answered:\n%w", err)
			}
			changed := images[:0:0]
			for _, i := range images {
				if i.State == pin.Unpinned || i.State == pin.Moved && update {
					changed = append(changed, i)
				}
			}
			if !check {
				if err := pin.Write(changed); err != nil {
					return err
				}
				for _, i := range changed {
					for n := range images {
						if images[n].App == i.App && images[n].Task == i.Task {
							images[n].State, images[n].Digest = pin.Pinned, i.Registry
						}
					}
				}
			}
			return c.printPins(images)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only compare")
	cmd.Flags().BoolVar(&update, "update", false, "also replace digests that the registry has moved on from")
	cmd.MarkFlagsMutuallyExclusive("check", "update")
	return cmd
}

// appsToPin lists the applications in folders; without any, those of the configuration, with the embedded ones where nothing
// is written.
func appsToPin(conf config, folders []string, check bool) ([]catalogue.App, error) {
	dirs := conf.Catalogue.folders()
	if len(folders) > 0 {
		return catalogue.AppsIn(dirs, folders)
	}
	whole, err := catalogue.Load(dirs...)
	if err != nil {
		return nil, err
	}
	var apps []catalogue.App
	for _, app := range whole.Apps() {
		if check || app.Origin != catalogue.Embedded {
			apps = append(apps, app)
		}
	}
	if len(apps) == 0 {
		return nil, usageError{errors.New("name a FOLDER: catalogue.dirs names none, and the embedded catalogue can only be checked (--check)")}
	}
	return apps, nil
}

// printPins shows the images; the error says that one is not as its registry has it.
func (c *cli) printPins(images []pin.Image) error {
	differ := 0
	for _, i := range images {
		if i.State == pin.Unpinned || i.State == pin.Moved {
			differ++
		}
	}
	err := c.print(images, func(w io.Writer) {
		t := newTable(w, "APP", "TASK", "STATE", "IMAGE", "DIGEST", "REGISTRY HAS")
		for _, i := range images {
			has := ""
			if i.State == pin.Unpinned || i.State == pin.Moved {
				has = short(i.Registry)
			}
			t.row(i.App, i.Task, i.State, i.Reference, short(i.Digest), has)
		}
		t.flush()
		if differ > 0 {
			fmt.Fprintf(w, "%d of %d images are not pinned to what their registry has.\n", differ, len(images))
		}
	})
	if err == nil && differ > 0 {
		return errSilent
	}
	return err
}

// short is the beginning of a digest, enough to tell two apart.
func short(digest string) string {
	if len(digest) < 19 {
		return digest
	}
	return digest[:19] + "…"
}

// unpinned lists the applications with an image of a registry that no digest pins.
func unpinned(apps []catalogue.App) (names []string) {
	seen := map[string]bool{}
	for _, i := range pin.Images(apps) {
		if i.State != pin.Own && i.Digest == "" && !seen[i.App] {
			seen[i.App] = true
			names = append(names, i.App)
		}
	}
	return names
}

// noteUnpinned says which of these applications run whatever their tags mean today.
func (c *cli) noteUnpinned(apps []catalogue.App) {
	if names := unpinned(apps); len(names) > 0 {
		fmt.Fprintf(c.err, "Not pinned by a digest: %s (frama catalogue pin).\n", strings.Join(names, ", "))
	}
}
