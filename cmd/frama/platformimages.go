package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/deploy/dev"
)

// Where the images of a platform's applications come from. A platform that is told none of these uses no container engine.
const (
	imagesUpstream = "upstream" // registries
	imagesBuilt    = "built"    // this machine, see deploy/images
	imagesAuto     = "auto"     // registries where they answer
)

func checkImagesOption(how string) error {
	if !slices.Contains([]string{imagesUpstream, imagesBuilt, imagesAuto}, how) {
		return usageError{fmt.Errorf("--images: %q is none of upstream, built, auto", how)}
	}
	return nil
}

const imagesUsage = "where images come from: upstream (registries), built (by deploy/images/build on this machine), auto (registries where they answer)"

// useEngine starts the container engine, or joins its users, and finds out where images come from.
func (p *platform) useEngine(ctx context.Context) (err error) {
	if p.options.images == "" || p.engine != nil {
		return nil
	}
	if p.engine, err = dev.UseEngine(ctx); err != nil {
		return err
	}
	if p.options.address == "" {
		if p.options.address, err = p.engine.Gateway(ctx); err != nil {
			return err
		}
	}
	if p.options.images == imagesAuto {
		p.options.images = imagesBuilt
		if registryAnswers(ctx) {
			p.options.images = imagesUpstream
		}
	}
	built, err := p.engine.BuiltImages(ctx)
	if err != nil {
		return err
	}
	p.infra = infraImage(built)
	p.images = imagesOf(built, p.options.images == imagesUpstream)
	return nil
}

// imagesOf has images that were built on this machine run: all of them, or where registries answer those that no registry
// has, which every host builds itself.
func imagesOf(built []dev.BuiltImage, registries bool) catalogue.Images {
	images := catalogue.Images{Registry: catalogue.LocalRegistry, NoPull: !registries}
	for _, b := range built {
		from := b.StandsFor
		own := !strings.Contains(from, "/")
		if own {
			from = catalogue.LocalRegistry + "/" + from
		}
		if own || !registries {
			images.Substitutes = append(images.Substitutes, catalogue.Substitute{From: from, Use: b.Name, Version: b.Version})
		}
	}
	slices.SortFunc(images.Substitutes, func(a, b catalogue.Substitute) int { return strings.Compare(a.From, b.From) })
	return images
}

// registryAnswers asks the registry of most images. One that wants a sign-in answers, too.
func registryAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://registry-1.docker.io/v2/", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusUnauthorized
}

// imagesConfig tells frama which images there are.
func (p *platform) imagesConfig() string {
	text := tomlTable("catalogue", "registry", p.images.Registry, "pull", !p.images.NoPull)
	for _, s := range p.images.Substitutes {
		text += "\n[[catalogue.image]]\n" + tomlTable("", "from", s.From, "use", s.Use, "version", s.Version)
	}
	return text
}

// describeImages says where images come from, before anything runs in them.
func (p *platform) describeImages() {
	switch p.options.images {
	case imagesUpstream:
		p.say("  images are pulled from registries; those that hosts build themselves: %s\n", listed(p.images))
	case imagesBuilt:
		p.say("  no registry is used; images built on this machine: %s\n", listed(p.images))
	}
}

func listed(images catalogue.Images) string {
	var names []string
	for _, s := range images.Substitutes {
		names = append(names, strings.TrimPrefix(s.Use, catalogue.LocalRegistry+"/"))
	}
	if len(names) == 0 {
		return "none (deploy/images/build makes them)"
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", ")
}

// describeKinds says, for each kind that every host should offer or that this platform does, what runs here and what a
// host's cluster would run, so that people do not take one for the other.
func (p *platform) describeKinds(c *catalogue.Catalogue, offered []string) {
	here, there := c.Runnable(), c.WithImages(catalogue.Images{})
	fmt.Fprintln(p.cli.out, "\nWhat runs here, in containers, and what a host's cluster would run:")
	for _, k := range c.AllKinds() {
		if !k.Core && !slices.Contains(offered, k.ID) {
			continue
		}
		own, other := "nothing: its images are not on this machine", "nothing yet"
		if app, ok := here.AppForKind(k.ID); ok && slices.Contains(offered, k.ID) {
			own = fmt.Sprintf("%s %s, upstream's image", app.Title("en"), app.Version())
			if _, built := app.Built(); built {
				own = fmt.Sprintf("%s %s, image built here", app.Title("en"), app.Version())
			}
		}
		if app, ok := there.AppForKind(k.ID); ok {
			other = fmt.Sprintf("%s %s", app.Title("en"), app.Version())
		}
		fmt.Fprintf(p.cli.out, "  %-6s %-48s  %s\n", k.ID, own, other)
	}
}
