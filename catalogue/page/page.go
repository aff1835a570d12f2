// Package page writes the public page of the catalogue, docs/catalogue.md: what each application is, and the level that it
// earned. All but the levels comes from the manifests; the levels come from runs of frama catalogue test, and the page
// itself keeps them: Parse reads back what Write wrote.
package page

import (
	"fmt"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"
)

// Earned is what a run gave an application.
type Earned struct {
	App     string
	Level   int
	Version string // that the catalogue names
	Ran     string // version that ran, followed by " built" where its image was built on the machine; empty when nothing could be started
	Next    string // what came of the next level: "not tried: …" or "failed: …"
}

// Write writes the page of the catalogue. What was earned by another version than the one of the manifest counts no more.
func Write(c *catalogue.Catalogue, earned []Earned) string {
	w := &writer{catalogue: c, earned: map[string]Earned{}}
	for _, e := range earned {
		if app, ok := c.App(e.App); ok && app.Run().Version == e.Version && app.Status != catalogue.Retired {
			w.earned[e.App] = e
		}
	}
	w.line("%s", head)
	w.line("\n## What the levels mean\n\n| level | | |\n|---|---|---|")
	for n, l := range Levels() {
		w.line("| **%d** | %s | %s |", n, l.Name, cell(l.Meaning))
	}
	w.line("%s", afterLevels)
	w.standing()
	for _, k := range c.AllKinds() {
		w.kind(k)
	}
	w.runs()
	return w.String()
}

// standing lists which applications are where.
func (w *writer) standing() {
	at := map[int][]string{}
	for _, a := range w.catalogue.Apps() {
		if e, known := w.earned[a.Name]; known {
			at[e.Level] = append(at[e.Level], "["+a.Title("en")+"](#"+a.Name+")")
		}
	}
	w.line("\n| level | applications today |\n|---|---|")
	for n := len(Levels()) - 1; n >= 0; n-- {
		if len(at[n]) > 0 {
			w.line("| **%d** | %s |", n, strings.Join(at[n], ", "))
		}
	}
}

type writer struct {
	strings.Builder

	catalogue *catalogue.Catalogue
	earned    map[string]Earned
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// kind writes the table and the paragraphs of a kind, if it has applications.
func (w *writer) kind(k catalogue.Kind) {
	var apps []catalogue.App
	for _, a := range w.catalogue.Apps() {
		if a.Kind == k.ID {
			apps = append(apps, a)
		}
	}
	if len(apps) == 0 {
		return
	}
	// What a space gets comes first, what nobody gets last.
	rank := func(a catalogue.App) int {
		order := []string{catalogue.Stable, catalogue.Beta, catalogue.Demo, catalogue.Retired}
		return slices.Index(order, a.Status) - 10*oneIf(a.Preferred)
	}
	slices.SortStableFunc(apps, func(a, b catalogue.App) int { return rank(a) - rank(b) })
	core := ""
	if k.Core {
		core = " One of the kinds that every host should offer."
	}
	w.line("\n## %s\n\n%s.%s\n", k.Title("en"), k.Description("en"), core)
	w.line("| application | version | licence | serves | level | tried here | not tried here |\n|---|---|---|---|---|---|---|")
	for _, a := range apps {
		w.row(a)
	}
	for _, a := range apps {
		w.paragraph(a)
	}
}

func (w *writer) row(a catalogue.App) {
	tried, not := w.tried(a)
	license := a.License
	if len(a.Exceptions("en")) > 0 {
		license += " [¹](#" + a.Name + ")"
	}
	title := "[" + a.Title("en") + "](#" + a.Name + ")"
	if a.Preferred {
		title = "**" + title + "**"
	}
	if a.Status != catalogue.Stable {
		title += " (" + a.Status + ")"
	}
	w.line("| %s | %s | %s | %s | %s | %s | %s |", title, a.Run().Version, license, tenancy(a), w.level(a), cell(tried), cell(not))
}

// level is the number in a table: a dash for what is retired, a question mark where no run has been.
func (w *writer) level(a catalogue.App) string {
	e, known := w.earned[a.Name]
	switch {
	case a.Status == catalogue.Retired:
		return "–"
	case !known:
		return "?"
	}
	return fmt.Sprintf("**%d** %s", e.Level, Levels()[e.Level].Name)
}

// tried says what was tried of an application, and what was not.
func (w *writer) tried(a catalogue.App) (tried, not string) {
	e, known := w.earned[a.Name]
	switch {
	case a.Status == catalogue.Retired:
		return "nothing", "offered to nobody any more"
	case !known:
		return "nothing yet", "no run since this version came in"
	case e.Ran == "":
		return "its job, by a cluster's planner", "everything else: the machine had none of its images"
	}
	version, built := strings.CutSuffix(e.Ran, BuiltHere)
	tried = version + " in the image of its makers"
	if built {
		tried = version + " in an image built on the machine"
	}
	if e.Level < 2 {
		tried = "its job, by a cluster's planner"
	}
	var missing []string
	if built {
		missing = append(missing, "the image that the job names")
	}
	for n := max(e.Level+1, 2); n < len(Levels()); n++ {
		missing = append(missing, Levels()[n].Name)
	}
	return tried, strings.Join(missing, "; ")
}

// BuiltHere marks a version that ran in an image built on the machine of the trial.
const BuiltHere = " built"

func tenancy(a catalogue.App) string {
	if a.Tenancy == catalogue.Shared {
		return "all associations together"
	}
	return "one association"
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func cell(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "\\|")), " ")
}

const head = `# The applications

Generated by ` + "`frama catalogue test --all --write docs/catalogue.md`" + `: do not edit. The words come from the files of ` + "`catalogue/apps`" + `
(` + "`go test ./catalogue/page -update`" + ` writes them anew), the levels only from trials on a real cluster.

These are the applications that a host can offer to associations with frama. For each it says what it is, under which
licence, how large it is, and **how far it has been tried**. Nobody has to believe that an application works: a trial installs
it the way frama does, uses it as people do, and writes down how far it got. The idea is that of YunoHost. Anybody can
repeat it: ` + "`sudo frama catalogue test etherpad`" + `.`

const afterLevels = `
A level needs all below it. **?** means that no trial has been made of this version. Retired applications have a dash.

Applications run in containers, as a host runs them. Where the machine of the trials reached no registry, images were built
on it from Debian's, npm's and Go's packages (` + "`deploy/images`" + `), a few by hand from upstream's sources ([tried by hand](develop/tried.md)).
They are sometimes of another version than the one that the job names; the columns say which. Applications without such an image
stop at level 1 there, however good they are: their job was checked, they were not started. What is marked *demo* stands in on
machines of development, and is never offered by a host.`
