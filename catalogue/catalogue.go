// Package catalogue knows the applications a host can offer, their kinds, and the plans it offers them in.
//
// An application is a folder with a manifest (app.hcl: what it is, what it needs, how large it is in each plan) and one
// Nomad job file (job.nomad.hcl). The folders under apps/ are part of the binary; Load adds folders of the host, which work
// the same and may replace an application of the same name. Adding an application is adding a folder.
//
// The package reads and checks; it talks to no cluster. Lint hands the job files to whoever can (provisioner/nomad).
package catalogue

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed apps icons kinds.hcl plans.hcl
var embedded embed.FS

// Embedded is the origin of applications that are part of the binary.
const Embedded = "embedded"

// Catalogue is a checked set of applications and plans. It never changes once loaded and may be shared.
type Catalogue struct {
	apps  []App // by name
	kinds []Kind
	icons map[string][]byte // SVG, by kind
	plans []Plan
}

// Load reads the embedded catalogue and then each folder of dirs, laid out as <dir>/<app>/app.hcl, <dir>/kinds.hcl and
// <dir>/plans.hcl. What a later folder says of an application, a kind or a plan replaces what an earlier one said, as a whole; App.Overrides
// shows it. All mistakes of all files come back at once, as Diagnostics.
func Load(dirs ...string) (*Catalogue, error) {
	sources, err := sourcesOf(dirs)
	if err != nil {
		return nil, err
	}
	c, mistakes := gather(sources)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return c, nil
}

func sourcesOf(dirs []string) ([]source, error) {
	apps, err := fs.Sub(embedded, "apps")
	if err != nil {
		return nil, fmt.Errorf("open the embedded catalogue: %w", err)
	}
	sources := []source{{origin: Embedded, shown: "catalogue", plans: embedded, apps: apps, appsShown: "catalogue/apps"}}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("catalogue folder %s cannot be read; correct catalogue.dirs: %w", dir, err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("catalogue folder %s is a file; correct catalogue.dirs", dir)
		}
		sources = append(sources, source{origin: dir, shown: dir, plans: os.DirFS(dir), apps: os.DirFS(dir), appsShown: dir})
	}
	return sources, nil
}

// source is one place applications come from. Paths are shown to people under the shown names.
type source struct {
	origin           string
	plans, apps      fs.FS
	shown, appsShown string
}

// gather reads all sources, as far as they can be read.
func gather(sources []source) (*Catalogue, Diagnostics) {
	c := &Catalogue{icons: map[string][]byte{}}
	var all Diagnostics
	for _, s := range sources {
		plans, diags := s.readPlans()
		c.plans = mergePlans(c.plans, plans)
		kinds, found := s.readKinds()
		c.kinds, diags = mergeKinds(c.kinds, kinds), append(diags, found...)
		icons, wrong := s.readIcons()
		maps.Copy(c.icons, icons)
		diags = append(diags, wrong...)
		apps, more := s.readApps()
		for _, app := range apps {
			c.put(app)
		}
		all = append(append(all, diags...), more...)
	}
	slices.SortFunc(c.apps, func(a, b App) int { return strings.Compare(a.Name, b.Name) })
	all = append(append(all, c.checkNames()...), c.checkPlans()...)
	all.sort()
	return c, all
}

func (s source) readPlans() ([]Plan, Diagnostics) {
	const name = "plans.hcl"
	text, err := fs.ReadFile(s.plans, name)
	if err != nil {
		return nil, nil // a folder without plans keeps those there are
	}
	return parsePlans(text, filepath.Join(s.shown, name))
}

// readApps reads every folder that holds a manifest. A folder without one is no application, so that a host may keep
// other things beside.
func (s source) readApps() ([]App, Diagnostics) {
	entries, err := fs.ReadDir(s.apps, ".")
	if err != nil {
		return nil, Diagnostics{{Path: s.appsShown, Message: "cannot be listed: " + err.Error()}}
	}
	var apps []App
	var all Diagnostics
	for _, entry := range entries {
		name := entry.Name()
		text, err := fs.ReadFile(s.apps, name+"/"+manifestFile)
		if err != nil {
			continue
		}
		app, diags := parseManifest(text, filepath.Join(s.appsShown, name, manifestFile), name)
		app.Origin, app.folder = s.origin, filepath.Join(s.appsShown, name)
		app.readJob(s.apps, name)
		apps, all = append(apps, app), append(all, diags...)
	}
	return apps, all
}

// put adds the application or replaces the one of its name. A preferred one takes its kind from an earlier source.
func (c *Catalogue) put(app App) {
	if app.Preferred {
		for i := range c.apps {
			if c.apps[i].Kind == app.Kind && c.apps[i].Origin != app.Origin {
				c.apps[i].Preferred = false
			}
		}
	}
	for i, known := range c.apps {
		if known.Name == app.Name {
			app.Overrides = append(slices.Clone(known.Overrides), known.Origin)
			c.apps[i] = app
			return
		}
	}
	c.apps = append(c.apps, app)
}

// Runnable returns the part of the catalogue that can run here: applications with a job whose images can be had.
func (c *Catalogue) Runnable() *Catalogue {
	part := &Catalogue{kinds: c.kinds, icons: c.icons, plans: c.plans}
	for _, app := range c.apps {
		if app.HasJob() && len(app.lacking) == 0 {
			part.apps = append(part.apps, app)
		}
	}
	return part
}

// AppForKind returns the application that a space gets when it asks for the kind: the preferred one, or else the first
// by name.
func (c *Catalogue) AppForKind(kind string) (App, bool) {
	var found App
	for _, app := range c.apps {
		if app.Kind == kind && app.Installable() && (found.Name == "" || app.Preferred && !found.Preferred) {
			found = app
		}
	}
	return found, found.Name != ""
}

// App returns the application of that name.
func (c *Catalogue) App(name string) (App, bool) {
	for _, app := range c.apps {
		if app.Name == name {
			return app, true
		}
	}
	return App{}, false
}

// Apps lists every application by name, retired ones included.
func (c *Catalogue) Apps() []App { return slices.Clone(c.apps) }

// Plans lists the plans in the order of their files: the smallest first.
func (c *Catalogue) Plans() []Plan { return slices.Clone(c.plans) }

// Plan returns the plan of that ID.
func (c *Catalogue) Plan(id string) (Plan, bool) {
	for _, p := range c.plans {
		if p.ID == id {
			return p, true
		}
	}
	return Plan{}, false
}
