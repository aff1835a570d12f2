package catalogue

import "slices"

// Only returns the part of the catalogue with the named applications.
func (c *Catalogue) Only(names ...string) *Catalogue {
	part := &Catalogue{kinds: c.kinds, plans: c.plans}
	for _, app := range c.apps {
		if slices.Contains(names, app.Name) {
			part.apps = append(part.apps, app)
		}
	}
	return part
}
