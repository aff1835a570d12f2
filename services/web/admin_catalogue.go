package web

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
)

// entriesPage is the whole catalogue, for the staff.
type entriesPage struct {
	Entries []control.Entry
	Tabs    []tab
	Leaving []control.Entry // retired, and spaces still use them
}

// adminCatalogue lists every application, also those that nobody can ask for.
func (s *site) adminCatalogue(c *fiber.Ctx) error {
	all, err := s.Control.Catalogue(c.UserContext(), s.actor(c))
	if err != nil {
		return err
	}
	state := c.Query("state")
	if !slices.Contains(control.EntryStates(), state) {
		state = ""
	}
	var view entriesPage
	counts := map[string]int{}
	for _, e := range all {
		counts[e.State]++
		if state == "" || e.State == state {
			view.Entries = append(view.Entries, e)
		}
		if e.State == control.EntryRetired && e.Spaces > 0 {
			view.Leaving = append(view.Leaving, e)
		}
	}
	query := url.Values{"state": {state}}
	view.Tabs = append(view.Tabs, newTab("/admin/catalogue", "tab_entry.", query, "all", len(all), state == ""))
	for _, known := range control.EntryStates() {
		view.Tabs = append(view.Tabs, newTab("/admin/catalogue", "tab_entry.", query, known, counts[known], state == known))
	}
	return s.render(c, http.StatusOK, "admin_catalogue", page{Title: s.t(c, "entries.title"), Section: "catalogue", Data: view})
}
