package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

//go:embed templates
var templateFiles embed.FS

// page is what a template gets. Handlers set the upper part, render the rest.
type page struct {
	Title   string
	Section string   // entry of the dashboard's menu
	FormID  string   // form that the language switch sends along, so that nothing typed is lost
	Scripts []string // files of static
	NoIndex bool
	Refresh int // seconds after which browsers without scripts load the page again; 0 for never
	Data    any

	Lang, Path, Host, CharterURL, Version string
	Session                               *control.Session
	Token                                 string // of the page's forms
	Notice                                string // what has just been done
}

// views are the templates, parsed once per language: t and its like know the language they speak.
type views struct {
	pages map[string]*template.Template // name/lang
}

func newViews(l *locale.Locale, a *assets, now func() time.Time) (*views, error) {
	v := &views{pages: map[string]*template.Template{}}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list the templates: %w", err)
	}
	for _, lang := range locale.Languages() {
		for _, name := range names {
			base := strings.TrimSuffix(path.Base(name), ".html")
			t, err := template.New("layout.html").Funcs(funcs(l, a, lang, now)).
				ParseFS(templateFiles, "templates/parts/*.html", name)
			if err != nil {
				return nil, fmt.Errorf("read the template %s: %w", name, err)
			}
			v.pages[base+"/"+lang] = t
		}
	}
	return v, nil
}

// funcs is what templates can say in one language.
func funcs(l *locale.Locale, a *assets, lang string, now func() time.Time) template.FuncMap {
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
		"asset":    a.address,
		"kind":     func(kind string) string { return named(l, lang, "kind.", kind) },
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
		"confirmIcon": func(done bool) string {
			if done {
				return "check"
			}
			return "mail"
		},
		"subjectLink": subjectLink,
		"operator":    func(s *control.Session) bool { return s != nil && s.User.Role.AtLeast(hosting.RoleOperator) },
		"languages":   locale.Languages,
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
	case "approved", "active", "healthy", "done":
		return "check"
	case "pending", "waiting", "ready", "wanted":
		return "clock"
	case "provisioning", "running", "now":
		return "spin"
	case "refused":
		return "cross"
	case "failed", "unhealthy", "parked", "stopped":
		return "alert"
	case "unconfirmed":
		return "mail"
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

// render writes a page. It is written to memory first: a template that fails shows an error page, never half a page.
func (s *site) render(c *fiber.Ctx, status int, name string, p page) error {
	return s.write(c, status, name, "layout.html", p)
}

// renderPart writes one part of a page, for a script to put in its place.
func (s *site) renderPart(c *fiber.Ctx, name, part string, p page) error {
	return s.write(c, fiber.StatusOK, name, part, p)
}

func (s *site) write(c *fiber.Ctx, status int, name, part string, p page) error {
	v := s.visitOf(c)
	p.Lang, p.Path, p.Host, p.CharterURL, p.Version = v.Lang, c.Path(), s.HostName, s.CharterURL, s.Version
	p.Session = v.Session
	if v.Session != nil {
		p.Token = v.Session.CSRF
	}
	if part == "layout.html" {
		p.Notice = s.notice(c)
	}
	t, ok := s.views.pages[name+"/"+v.Lang]
	if !ok {
		return fmt.Errorf("no template %q", name)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, p); err != nil {
		return fmt.Errorf("write the page %s: %w", name, err)
	}
	c.Set("Content-Type", "text/html; charset=utf-8")
	c.Set("Content-Language", v.Lang)
	return c.Status(status).Send(b.Bytes())
}
