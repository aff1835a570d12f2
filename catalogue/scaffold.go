package catalogue

import (
	"bytes"
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"
)

//go:embed scaffold/app.hcl.tmpl
var scaffoldManifest string

//go:embed scaffold/job.nomad.hcl.tmpl
var scaffoldJob string

// Draft is what a new application starts from.
type Draft struct {
	Name  string
	Kind  string
	Image string // with registry and version
	Port  int    // the container listens on
	Path  string // where the container keeps its data; empty for none
	UID   int    // who owns the data
	Needs []string
}

// Scaffold returns the files of a new application, by name. They pass Lint; what people read, the licence and the sizes
// are for the author to say.
func (c *Catalogue) Scaffold(d Draft) (map[string]string, error) {
	switch _, known := c.Kind(d.Kind); {
	case !appName.MatchString(d.Name):
		return nil, fmt.Errorf("%q cannot be the name of an application: use 2 to 20 lower-case letters, digits and hyphens", d.Name)
	case !known:
		var ids []string
		for _, k := range c.kinds {
			ids = append(ids, k.ID)
		}
		return nil, fmt.Errorf("there is no kind %q%s: take one of %s, or add one to kinds.hcl of your folder", d.Kind, didYouMean(d.Kind, ids), strings.Join(ids, ", "))
	case !imageName.MatchString(d.Image):
		return nil, fmt.Errorf("%q must name registry, image and version, as docker.io/library/odoo:19.0", d.Image)
	case d.Port < 1 || d.Port > 65535:
		return nil, fmt.Errorf("%d is no port: say on which one the container listens", d.Port)
	case d.Path != "" && (!path.IsAbs(d.Path) || path.Clean(d.Path) == "/"):
		return nil, fmt.Errorf("%q must be the absolute path of the data within the container", d.Path)
	case d.UID < 0 || d.UID > 65535:
		return nil, fmt.Errorf("%d is no user ID", d.UID)
	}
	for _, need := range d.Needs {
		if problem := oneOf(Services()...).problem(need); problem != "" {
			return nil, fmt.Errorf("a backing service %s", problem)
		}
	}
	_, tag, _ := strings.Cut(path.Base(d.Image), ":")
	v := strings.TrimLeftFunc(tag, func(r rune) bool { return r < '0' || r > '9' })
	v, _, _ = strings.Cut(v, "-")
	if !version.MatchString(v) {
		return nil, fmt.Errorf("the tag %s of the image names no full version, as 3.3.1: what a tag that moves installs tomorrow is not what was tried today", tag)
	}
	var plans []string
	for _, p := range c.plans {
		if p.Like == "" {
			plans = append(plans, p.ID)
		}
	}
	keys := []string{}
	for _, need := range d.Needs {
		for _, key := range BackingKeys()[need] {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	backup := map[bool]map[bool]string{
		false: {false: "none", true: "stop+files"}, true: {false: "dump", true: "dump+files"},
	}[slices.Contains(keys, "db_name")][d.Path != ""]
	data := struct {
		Draft
		Version, Backup string
		Plans, Keys     []string
	}{d, v, backup, plans, keys}
	files := map[string]string{}
	for name, text := range map[string]string{manifestFile: scaffoldManifest, jobFile: scaffoldJob} {
		t, err := template.New(name).Delims("<<", ">>").Funcs(template.FuncMap{"upper": strings.ToUpper}).Parse(text)
		if err != nil {
			return nil, fmt.Errorf("template of %s: %w", name, err)
		}
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return nil, fmt.Errorf("template of %s: %w", name, err)
		}
		files[name] = b.String()
	}
	return files, nil
}
