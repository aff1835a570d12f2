package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
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

func newViews(l *locale.Locale, a *assets, pictures *icons, kinds []control.KindView, now func() time.Time) (*views, error) {
	v := &views{pages: map[string]*template.Template{}}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list the templates: %w", err)
	}
	for _, lang := range locale.Languages() {
		for _, name := range names {
			base := strings.TrimSuffix(path.Base(name), ".html")
			t, err := template.New("layout.html").Funcs(allFuncs(funcs(l, a, pictures, kinds, lang, now), usageFuncs(l, lang, now))).
				ParseFS(templateFiles, "templates/parts/*.html", name)
			if err != nil {
				return nil, fmt.Errorf("read the template %s: %w", name, err)
			}
			v.pages[base+"/"+lang] = t
		}
	}
	return v, nil
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
