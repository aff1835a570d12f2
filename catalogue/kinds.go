package catalogue

import (
	"io/fs"
	"path/filepath"
	"slices"
)

// Kind is what an application is for, in people's words.
type Kind struct {
	ID      string // part of host names: <slug>-<kind>.<platform>
	Core    bool   // offered unless the host says otherwise
	Offered bool   // associations may ask for it; the others are engines of applications

	title, description Text
}

// Title is the kind's name in the language, French when it is unknown.
func (k Kind) Title(lang string) string { return k.title.In(lang) }

// Description says in a few words what people do with it.
func (k Kind) Description(lang string) string { return k.description.In(lang) }

func (s source) readKinds() ([]Kind, Diagnostics) {
	const name = "kinds.hcl"
	text, err := fs.ReadFile(s.plans, name)
	if err != nil {
		return nil, nil // a folder without kinds keeps those there are
	}
	return parseKinds(text, filepath.Join(s.shown, name))
}

func parseKinds(text []byte, path string) ([]Kind, Diagnostics) {
	var diags Diagnostics
	r := open(text, path, "the kinds", &diags)
	if r == nil {
		return nil, diags
	}
	kinds := readKindBlocks(r)
	r.done()
	return kinds, diags
}

func readKindBlocks(r *reader) (kinds []Kind) {
	r.each("kind", true, func(label string, b *reader) {
		if !kindID.MatchString(label) {
			b.diags.at(b.where, "%q cannot be a kind: use 2 to 20 lower-case letters and digits, since it is part of host names", label)
		}
		k := Kind{ID: label, Core: b.flag("core", false)}
		offered := b.flag("offered", false)
		_, said := b.body.Attributes["offered"]
		k.Offered = offered || !said
		b.one("title", func(t *reader) { k.title = t.translations(40) })
		b.one("description", func(t *reader) { k.description = t.translations(120) })
		kinds = append(kinds, k)
	})
	return kinds
}

// mergeKinds replaces kinds of the same id in their place and adds the others at the end.
func mergeKinds(kinds, later []Kind) []Kind {
	for _, k := range later {
		if i := slices.IndexFunc(kinds, func(known Kind) bool { return known.ID == k.ID }); i >= 0 {
			kinds[i] = k
		} else {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// checkNames sees that kinds and applications that manifests name exist, once everything is loaded.
func (c *Catalogue) checkNames() Diagnostics {
	var diags Diagnostics
	var ids, names []string
	for _, k := range c.kinds {
		ids = append(ids, k.ID)
	}
	for _, a := range c.apps {
		names = append(names, a.Name)
	}
	complain := func(at Diagnostic, message string) {
		at.Message = message
		diags = append(diags, at)
	}
	for _, a := range c.apps {
		if a.Kind != "" && !slices.Contains(ids, a.Kind) {
			complain(a.kindAt, "there is no kind "+a.Kind+didYouMean(a.Kind, ids)+" (kinds.hcl lists them, and a folder of the host may add some)")
		}
		for kind := range a.Includes {
			if !slices.Contains(ids, kind) {
				complain(a.kindAt, "includes names no kind: "+kind+didYouMean(kind, ids))
			}
		}
		if a.ReplacedBy != "" && (!slices.Contains(names, a.ReplacedBy) || a.ReplacedBy == a.Name) {
			complain(a.replacedAt, "replaced_by names no other application: "+a.ReplacedBy+didYouMean(a.ReplacedBy, names))
		}
	}
	return diags
}

// AllKinds lists every kind in the order people see them.
func (c *Catalogue) AllKinds() []Kind { return slices.Clone(c.kinds) }

// Kind returns the kind of that ID.
func (c *Catalogue) Kind(id string) (Kind, bool) {
	i := slices.IndexFunc(c.kinds, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		return Kind{}, false
	}
	return c.kinds[i], true
}

// Kinds lists, in the order people see them, the kinds that at least one application can be installed for.
func (c *Catalogue) Kinds() []Kind {
	var kinds []Kind
	for _, k := range c.kinds {
		if _, ok := c.AppForKind(k.ID); ok {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
