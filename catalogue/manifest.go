package catalogue

import (
	"cmp"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"

	"framagit.org/frama/frama/services/hosting"
)

const manifestFile = "app.hcl"

// jobFile is the name of the job file in an application's folder.
const jobFile = "job.nomad.hcl"

// Patterns of what a manifest says. Names become parts of job IDs and keys of Nomad Variables, which allow no dots.
var (
	appName = regexp.MustCompile(`^[a-z][a-z0-9-]{1,19}$`)
	kindID  = regexp.MustCompile(`^[a-z][a-z0-9]{1,19}$`)
	keyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)
	spdx    = regexp.MustCompile(`^[A-Za-z0-9.+-]+(-or-later|-only)?( (AND|OR|WITH) [A-Za-z0-9.+-]+)*$`)
	webURL  = regexp.MustCompile(`^https://[a-z0-9.-]+\.[a-z]{2,}(/[^\s]*)?$`)
	urlPath = regexp.MustCompile(`^/[^\s#{}$]*$`)
	version = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)+([-+.][0-9A-Za-z.-]+)?$|^[0-9]{4}-[0-9]{2}-[0-9]{2}[a-z]?$`)
)

// parseManifest reads app.hcl of the folder. The application is usable only when there are no diagnostics.
func parseManifest(text []byte, path, folder string) (App, Diagnostics) {
	var diags Diagnostics
	r := open(text, path, "the manifest", &diags)
	if r == nil {
		return App{Name: folder}, diags
	}
	app := readManifest(r, folder)
	return app, diags
}

func readManifest(r *reader, folder string) App {
	app := App{}
	app.Name = r.text("name", like(appName, "must be 2 to 20 lower-case letters, digits and hyphens"), that(func(s string) string {
		if s != folder {
			return `must be the name of the folder, "` + folder + `"`
		}
		return ""
	}))
	app.Kind = r.text("kind", like(kindID, "must be the id of a kind, as pads"))
	app.kindAt = r.place("kind")
	app.Status = r.text("status", oneOf(Stable, Beta, Retired, Demo))
	app.replacement(r)
	app.Preferred = r.flag("preferred", false)
	r.one("title", func(b *reader) { app.title = b.translations(60) })
	r.one("description", func(b *reader) { app.description = b.translations(400) })
	app.licence(r)
	app.Docs = r.list("docs", like(webURL, "must hold https addresses"))
	app.Unverified = r.list("unverified")
	app.Tenancy = r.text("tenancy", oneOf(PerSpace, Shared))
	app.FirstURL = r.text("first_url", like(urlPath, "must be a path that starts with /"))
	app.Backup = r.text("backup", oneOf(Backups()...))
	app.Upgrade = r.text("upgrade", oneOf(Upgrades()...))
	app.PermanentHost = r.flag("permanent_host", false)
	app.Suspend = r.text("suspend", oneOf(Suspensions()...))
	app.Quota = r.text("quota", oneOf(Quotas()...))
	app.readIsolation(r)
	app.included(r)
	known := app.variable(r)
	app.run = r.run(known, app.Status == Retired)
	app.checkEnforce(r)
	app.readSizes(r)
	app.checkReserve(r)
	r.done()
	if app.Name == "" {
		app.Name = folder
	}
	return app
}

// replacement: who uses a retired application must be told where to go.
func (a *App) replacement(r *reader) {
	a.ReplacedBy = r.optional("replaced_by", like(appName, "must be the name of an application"))
	a.replacedAt = r.place("replaced_by")
	attr, given := r.body.Attributes["replaced_by"]
	switch {
	case a.Status == Retired && !given:
		r.diags.at(r.body.Attributes["status"].Expr.Range(), "a retired application names in replaced_by the one to migrate to")
	case a.Status != Retired && a.Status != "" && given:
		r.diags.at(attr.NameRange, "replaced_by is for retired applications; the status is %s", a.Status)
	}
}

// included reads which kinds come with the application beside its own.
func (a *App) included(r *reader) {
	a.Includes = map[string]Text{}
	r.each("includes", true, func(label string, b *reader) {
		if !kindID.MatchString(label) || label == a.Kind {
			b.diags.at(b.where, "%q must be the id of another kind", label)
		}
		a.Includes[label] = b.translations(200)
	})
}

func (r *reader) translations(most int) Text {
	length := check{fmt.Sprintf("at most %d characters", most), func(s string) string {
		if len([]rune(s)) > most {
			return "is too long: people read it in a form"
		}
		return ""
	}}
	return Text{"fr": r.text("fr", length), "en": r.text("en", length)}
}

// licence reads what the charter asks about: an application that is not all free has to say which exceptions it makes.
func (a *App) licence(r *reader) {
	a.License = r.text("license", like(spdx, "must be an SPDX expression, as AGPL-3.0-or-later"))
	a.CharterOK = r.flag("charter_ok", true)
	r.each("exception", true, func(_ string, b *reader) { a.exceptions = append(a.exceptions, b.translations(300)) })
	a.Upstream = r.text("upstream", like(webURL, "must be an https address"))
	if attr, ok := r.body.Attributes["charter_ok"]; ok && !a.CharterOK && len(a.exceptions) == 0 {
		r.diags.at(attr.NameRange, `charter_ok is not true: say in exception "…" { fr en } what the host must publish`)
	}
}

// variable reads what goes into the instance's Nomad Variable, which is one namespace of keys, and returns the keys.
func (a *App) variable(r *reader) []string {
	taken := map[string]string{}
	for need, keys := range BackingKeys() {
		for _, key := range keys {
			taken[key] = "the backing service " + need
		}
	}
	claim := func(b *reader, key string) {
		switch owner, used := taken[key]; {
		case !keyName.MatchString(key):
			b.diags.at(b.where, "%q cannot be a key: use lower-case letters, digits and _", key)
		case used:
			b.diags.at(b.where, "the key %s is already used by %s", key, owner)
		}
		taken[key] = b.what
	}
	r.each("secret", true, func(label string, b *reader) {
		claim(b, label)
		s := Secret{Name: label}
		s.Format = cmp.Or(b.optional("format", oneOf(Formats()...)), alphanumeric)
		s.Length = b.number("length", 16, 256, 32)
		s.Permanent = b.text("kind", oneOf("permanent", "rotatable")) == "permanent"
		a.Secrets = append(a.Secrets, s)
	})
	r.each("value", true, func(label string, b *reader) {
		claim(b, label)
		a.Values = append(a.Values, Value{Name: label, From: b.text("from", oneOf(Sources()...))})
	})
	var own []string
	for _, s := range a.Secrets {
		own = append(own, s.Name)
	}
	for _, v := range a.Values {
		own = append(own, v.Name)
	}
	return own
}

// readSizes reads what an instance reserves in each plan. Which plans there are is known later: see checkPlans.
func (a *App) readSizes(r *reader) {
	a.sizes, a.sizePlaces = map[string]hosting.Resources{}, map[string]Diagnostic{}
	a.sizesAt = r.here(r.where)
	r.each("plan", true, func(label string, b *reader) {
		size := hosting.Resources{
			CPU:       b.number("cpu", 1, 1_000_000, -1),
			Memory:    b.number("memory", 10, 10_000_000, -1),
			MemoryMax: b.number("memory_max", 10, 10_000_000, 0),
			Disk:      b.number("disk", 1, 100_000_000, -1),
		}
		if size.MemoryMax > 0 && size.MemoryMax < size.Memory {
			b.diags.at(b.body.Attributes["memory_max"].Expr.Range(), "memory_max is less than memory (%d MiB)", size.Memory)
		}
		a.sizes[label] = size
		a.sizePlaces[label] = b.here(b.where)
	})
	if len(a.sizes) == 0 && a.Status == Retired {
		a.sizes = nil // nothing is installed any more
	}
}

// readJob takes in the job file. A manifest without one is an entry that Lint complains about.
func (a *App) readJob(apps fs.FS, folder string) {
	if text, err := fs.ReadFile(apps, folder+"/"+jobFile); err == nil {
		a.job = job{source: string(text), path: filepath.Join(a.folder, jobFile)}
		a.job.needs, a.job.needsErr = jobNeeds(a.job.source, a.job.path)
	}
}
