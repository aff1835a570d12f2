package page

import (
	"fmt"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"
)

// paragraph says in a few lines what people and operators want to know of an application.
func (w *writer) paragraph(a catalogue.App) {
	w.line("\n<a id=%q></a>\n### %s\n\n%s", a.Name, a.Title("en"), a.Description("en"))
	if a.Status == catalogue.Retired {
		if by, ok := w.catalogue.App(a.ReplacedBy); ok {
			w.line("\nRetired: offered to nobody any more. [%s](#%s) replaces it.", by.Title("en"), by.Name)
		}
	}
	if e, known := w.earned[a.Name]; known && e.Next != "" && e.Level+1 < len(Levels()) {
		earned, next := Levels()[e.Level], Levels()[e.Level+1]
		w.line("\n**Level %d**, %s. Level %d (%s) %s", e.Level, earned.Name, e.Level+1, next.Name, sentence(e.Next))
	}
	w.line("")
	w.item("Licence", a.License+charter(a))
	w.item("What the host must publish", sentences(a.Exceptions("en")))
	w.item("Comes with it", strings.Join(w.includes(a), " "))
	if a.Status != catalogue.Retired {
		w.item("Needs", needs(a))
		w.item("Sizes", w.sizes(a))
		w.item("Backup", backups[a.Backup])
		w.item("New versions", upgrades[a.Upgrade]+permanent(a))
		w.item("Growth", quotas[a.Quota])
		w.item("Closing it for a while", suspensions[a.Suspend])
	}
	w.item("Not checked", sentences(a.Unverified))
	w.item("Sources", strings.Join(append([]string{"<" + a.Upstream + ">"}, links(a.Docs)...), ", "))
}

// item writes a line of the list, if there is something to say.
func (w *writer) item(title, text string) {
	if text != "" {
		w.line("- %s: %s", title, sentence(text))
	}
}

// sentence ends a text with a full stop, in one line.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}

func sentences(texts []string) string {
	var all []string
	for _, t := range texts {
		all = append(all, sentence(t))
	}
	return strings.Join(all, " ")
}

func charter(a catalogue.App) string {
	if a.CharterOK {
		return ""
	}
	return ", not all of it free software in the sense of the charter of the CHATONS"
}

func (w *writer) includes(a catalogue.App) []string {
	var all []string
	for _, k := range w.catalogue.AllKinds() {
		if words, ok := a.Includes[k.ID]; ok {
			all = append(all, words.In("en"))
		}
	}
	return all
}

func links(addresses []string) []string {
	var out []string
	for _, a := range addresses {
		out = append(out, "<"+a+">")
	}
	return out
}

func permanent(a catalogue.App) string {
	if a.PermanentHost {
		return "; its address can never change, since other servers know it by it"
	}
	return ""
}

// needs says what the host must have.
func needs(a catalogue.App) string {
	run := a.Run()
	var all []string
	for _, need := range run.Needs {
		text := services[need]
		switch {
		case need == "postgres" && run.Postgres.Version > 0:
			text += fmt.Sprintf(" %d or later", run.Postgres.Version)
		case need == "redis" && run.Redis.Durable:
			text += " whose data lasts"
		}
		if need == "postgres" && len(run.Postgres.Extensions) > 0 {
			text += " with " + strings.Join(run.Postgres.Extensions, ", ")
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return "nothing else"
	}
	return strings.Join(all, "; ")
}

func (w *writer) sizes(a catalogue.App) string {
	var all []string
	for _, p := range w.catalogue.Plans() {
		r := a.Size(p.ID)
		memory := amount(r.Memory)
		if r.Limit() > r.Memory {
			memory += " to " + amount(r.Limit())
		}
		all = append(all, fmt.Sprintf("%s: %s of memory, %d MHz, %s of disk", p.ID, memory, r.CPU, amount(r.Disk)))
	}
	return strings.Join(all, "; ")
}

// amount writes MiB for people.
func amount(mib int) string {
	if mib >= 1024 && mib%512 == 0 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(mib)/1024), ".0") + " GiB"
	}
	return fmt.Sprintf("%d MiB", mib)
}

// What manifests say in one word, in plain words.
var (
	services = map[string]string{
		"postgres": "PostgreSQL", "mysql": "MariaDB", "redis": "Redis", "s3": "object storage (S3)", "smtp": "a mail server",
	}
	backups = map[string]string{
		"none": "there is nothing to copy", "dump": "a dump of the database", "files": "a copy of its files",
		"dump+files":         "a dump of the database and a copy of its files",
		"quiesce+dump+files": "a dump of the database and a copy of its files, while it is told to be quiet",
		"stop+files":         "a copy of its files, while it is stopped",
	}
	upgrades = map[string]string{
		"auto-on-start":       "it upgrades itself when it starts",
		"one-major-at-a-time": "one major version after the other, never skipping one",
		"migrate-command":     "a command migrates its data",
	}
	quotas = map[string]string{
		"app-instance": "it keeps the whole instance within its share", "app-account": "it limits each account",
		"app-create": "it can stop people from making new objects", "app-read-only": "it can be made read-only",
		"ingress": "the ingress can let people only read", "volume": "only its volume limits it",
	}
	suspensions = map[string]string{
		"app-maintenance": "it shows a notice of its own", "app-read-only": "it can be made read-only",
		"proxy": "the ingress shows a page instead",
	}
)

// runs writes what the page keeps of the trials, the only part that Parse reads.
func (w *writer) runs() {
	w.line("\n%s\n\n%s\n\n| application | level | version | ran | the next level |\n|---|---|---|---|---|", runsTitle, runsIntro)
	var names []string
	for name := range w.earned {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e := w.earned[name]
		w.line("| %s | %d | %s | %s | %s |", e.App, e.Level, e.Version, orDash(e.Ran), cell(e.Next))
	}
}

const (
	runsTitle = "## What the trials earned"
	runsIntro = "One line for each application, as the last trial of it ended: the version that the catalogue names and the one that ran, " +
		"`built` where the machine built its image. A dash: not started."
)

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
