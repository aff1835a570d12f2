package control

import "framagit.org/frama/frama/catalogue"

// OfferedApps lists the applications that associations get for the kinds on offer.
func (c *Control) OfferedApps() []catalogue.App {
	var apps []catalogue.App
	for _, k := range c.offered() {
		if app, ok := c.application(k.ID); ok {
			apps = append(apps, app)
		}
	}
	return apps
}
