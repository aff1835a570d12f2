package web

import (
	"cmp"
	"html/template"
	"net/url"
	"strings"
	"time"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
	"framagit.org/frama/frama/services/work"
)

// funcs is what templates can say in one language.
//
// kinds are the words of the catalogue for what applications are for; one that it has no more is shown by its ID.
func funcs(l *locale.Locale, a *assets, pictures *icons, kinds []control.KindView, lang string, now func() time.Time) template.FuncMap {
	titles, texts := map[string]string{}, map[string]string{}
	for _, k := range kinds {
		titles[k.ID], texts[k.ID] = picked(k.Title, lang), picked(k.Description, lang)
	}
	return template.FuncMap{
		"t":        func(key string, args ...any) string { return l.T(lang, key, args...) },
		"has":      l.Has,
		"date":     func(t time.Time) string { return l.Date(lang, t.Local()) },
		"datetime": func(t time.Time) string { return l.DateTime(lang, t.Local()) },
		"machine":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":      func(t time.Time) string { return l.Ago(lang, t, now()) },
		"past":     func(t time.Time) bool { return t.Before(now()) },
		"number":   func(n int) string { return locale.Number(lang, int64(n)) },
		"mib":      func(n int) string { return locale.MiB(lang, n) },
		"pick":     func(by map[string]string) string { return picked(by, lang) },
		"listed":   func(by map[string][]string) []string { return by[lang] },
		"asset":    a.address,
		"kind":     func(kind string) string { return cmp.Or(titles[kind], kind) },
		"kindText": func(kind string) string { return texts[kind] },
		"kindIcon": pictures.class,
		"lower":    strings.ToLower,
		"licenses": func(spdx string) []string { return strings.Split(spdx, " AND ") },
		"backup":   func(name string) string { return named(l, lang, "backup.", name) },
		"need":     func(name string) string { return named(l, lang, "need.", name) },
		"step": func(name string) string {
			if l.Has("step." + name) {
				return l.T(lang, "step."+name)
			}
			return l.T(lang, "step_unknown", name)
		},
		"took": func(from, to time.Time) string {
			if from.IsZero() || to.IsZero() {
				return ""
			}
			return l.Duration(lang, to.Sub(from))
		},
		"action":    func(name string) string { return named(l, lang, "action.", name) },
		"runKind":   func(name string) string { return named(l, lang, "run_kind.", name) },
		"chipIcon":  chipIcon,
		"spaceIcon": spaceIcon,
		"entryIcon": entryIcon,
		"stepIcon":  stepIcon,
		"confirmIcon": func(done bool) string {
			if done {
				return "check"
			}
			return "mail"
		},
		"subjectLink": subjectLink,
		"subjectName": func(subject string) string {
			kind, id, _ := strings.Cut(subject, ":")
			if len(id) == 36 { // a UUID: its end tells entries apart, the title has the whole
				id = "…" + id[28:]
			}
			return named(l, lang, "subject.", kind) + " " + id
		},
		"operator":  func(s *control.Session) bool { return s != nil && s.User.Role.AtLeast(hosting.RoleOperator) },
		"languages": locale.Languages,
	}
}

// named is the message for a name that another part of frama, or a host's own catalogue, may have added to: the name
// itself where there is no message.
func named(l *locale.Locale, lang, prefix, name string) string {
	if l.Has(prefix + name) {
		return l.T(lang, prefix+name)
	}
	return name
}

// chipIcon is the icon of a state: colour alone would not tell everybody.
func chipIcon(state string) string {
	switch state {
	case "approved", "active", "healthy", "done", "granted":
		return "check"
	case "pending", "waiting", "ready", "wanted", "open":
		return "clock"
	case "provisioning", "running", "now":
		return "spin"
	case "refused", "withdrawn", "declined":
		return "cross"
	case "failed", "unhealthy", "parked", "stopped":
		return "alert"
	case "unconfirmed":
		return "mail"
	}
	return "dot"
}

// entryIcon is the icon of what becomes of an application.
func entryIcon(state string) string {
	switch state {
	case control.EntryOffered:
		return "check"
	case control.EntryRetired, control.EntryImpossible:
		return "cross"
	}
	return "dot"
}

// spaceIcon is the icon of a space's state: an approved space still waits for its installation.
func spaceIcon(state hosting.SpaceState) string {
	if state == hosting.SpaceApproved {
		return "clock"
	}
	return chipIcon(string(state))
}

// stepIcon is the icon of a step's state: a step to come is not a clock, nothing waits yet.
func stepIcon(state work.StepState) string {
	if state == work.StepPending {
		return "dot"
	}
	return chipIcon(string(state))
}

// subjectLink is the page of what an act was about, or empty.
func subjectLink(subject string) string {
	kind, id, _ := strings.Cut(subject, ":")
	switch kind {
	case "request", "space":
		return "/admin/" + kind + "s/" + url.PathEscape(id)
	}
	return ""
}

// picked is the text in lang, or in any language there is.
func picked(by map[string]string, lang string) string {
	for _, l := range append([]string{lang}, locale.Languages()...) {
		if by[l] != "" {
			return by[l]
		}
	}
	return ""
}
