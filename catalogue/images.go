package catalogue

import (
	"slices"
	"strings"
)

// Images says where the images of jobs come from.
type Images struct {
	Registry string // where the host keeps the images that it builds itself; empty for nowhere
	// NoPull: only images that substitutes name are there. Otherwise those of registries are pulled.
	NoPull      bool
	Substitutes []Substitute
}

// LocalRegistry stands, as the first part of a name, for the machine itself: images that were built on it are used, and
// nothing is pulled.
const LocalRegistry = "frama.local"

// Substitute is an image that runs instead of another, of whatever tag.
type Substitute struct {
	From    string // name without tag: docker.io/etherpad/etherpad
	Use     string // whole reference: frama.local/etherpad:1.8.14
	Version string // of what runs in it
}

// Repository is the name of an image without tag and digest.
func Repository(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	slash := strings.LastIndex(name, "/") + 1
	last, _, _ := strings.Cut(name[slash:], ":")
	return name[:slash] + last
}

// Instead returns what runs instead of the image.
func (i Images) Instead(reference string) (Substitute, bool) {
	at := slices.IndexFunc(i.Substitutes, func(s Substitute) bool { return s.From == Repository(reference) })
	if at < 0 {
		return Substitute{}, false
	}
	return i.Substitutes[at], true
}

// Available reports whether the image can be had.
func (i Images) Available(reference string) bool {
	if _, ok := i.Instead(reference); ok {
		return true
	}
	return !i.NoPull && !strings.HasPrefix(reference, LocalRegistry+"/")
}

// Full is the reference as a job has it: that of an image which hosts build themselves begins with their registry.
func (i Image) Full(registry string) string {
	if i.Build != "" && registry != "" {
		return registry + "/" + i.Reference
	}
	return i.Reference
}

// WithImages returns the catalogue as it runs with these images: versions are those of what runs, and an application
// that lacks an image cannot be installed.
func (c *Catalogue) WithImages(images Images) *Catalogue {
	with := &Catalogue{kinds: c.kinds, icons: c.icons, plans: c.plans, apps: slices.Clone(c.apps)}
	for n := range with.apps {
		with.apps[n].resolve(images)
	}
	return with
}

func (a *App) resolve(images Images) {
	a.lacking, a.built = nil, Substitute{}
	run := a.run
	for _, task := range run.Tasks {
		image, known := run.Images[task]
		if !known {
			continue // a process
		}
		reference := image.Full(images.Registry)
		if !images.Available(reference) {
			a.lacking = append(a.lacking, reference)
		}
		if built, ok := images.Instead(reference); ok && task == run.Tasks[0] {
			a.built = built
		}
	}
	a.lacking = slices.Compact(a.lacking)
}

// Built returns the image that was built on this machine and runs as the application's main task, instead of the one
// that its job names.
func (a App) Built() (Substitute, bool) { return a.built, a.built.Use != "" }

// Lacking lists the images that cannot be had here.
func (a App) Lacking() []string { return slices.Clone(a.lacking) }
