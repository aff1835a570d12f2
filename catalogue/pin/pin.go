// Package pin compares the images of applications with what registries have under the same names, and writes their digests
// into the manifests. A digest names one image for ever, whatever its tag comes to mean.
package pin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/catalogue"
)

// States of an image.
const (
	Pinned   = "pinned"   // the manifest has the registry's digest
	Unpinned = "unpinned" // the manifest has none
	Moved    = "moved"    // the registry has another image under the same name now
	Own      = "own"      // the host builds it, and nobody else knows its digest
)

// Image is what a task of an application runs.
type Image struct {
	App       string `json:"app"`
	Task      string `json:"task"`
	Reference string `json:"reference"`
	State     string `json:"state"`
	Digest    string `json:"digest,omitempty"`   // in the manifest
	Registry  string `json:"registry,omitempty"` // what the registry has

	manifest string
}

// Resolver asks a registry which digest a reference has.
type Resolver interface {
	Digest(ctx context.Context, reference string) (string, error)
}

// Images lists the images of production jobs, by application and task. States are not known yet, but for Own.
func Images(apps []catalogue.App) []Image {
	var all []Image
	for _, app := range apps {
		images := app.Run().Images
		for _, task := range slices.Sorted(maps.Keys(images)) {
			i := Image{App: app.Name, Task: task, Reference: images[task].Reference, Digest: images[task].Digest, manifest: app.ManifestPath()}
			if images[task].Build != "" {
				i.State = Own
			}
			all = append(all, i)
		}
	}
	return all
}

// within is how long one registry may take for one answer.
const within = 30 * time.Second

// Compare asks registries for the digest of each image and sets its state. Every reference is asked for once. When one
// cannot be answered, the error names each that could not, and no image is changed.
func Compare(ctx context.Context, images []Image, registry Resolver) error {
	digests := map[string]*string{}
	for _, i := range images {
		if i.State != Own {
			digests[i.Reference] = new(string)
		}
	}
	references := slices.Sorted(maps.Keys(digests))
	failures := make([]error, len(references))
	var group errgroup.Group
	group.SetLimit(4)
	for n, reference := range references {
		found := digests[reference]
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			digest, err := registry.Digest(ctx, reference)
			if err != nil {
				failures[n] = fmt.Errorf("%s: %w", reference, err)
			}
			*found = digest
			return nil
		})
	}
	_ = group.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for n := range images {
		i := &images[n]
		if i.State == Own {
			continue
		}
		i.Registry = *digests[i.Reference]
		switch i.Digest {
		case "":
			i.State = Unpinned
		case i.Registry:
			i.State = Pinned
		default:
			i.State = Moved
		}
	}
	return nil
}
