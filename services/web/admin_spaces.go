package web

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

// spacesPage is the list of spaces.
type spacesPage struct {
	control.SpacePage
	Filter control.SpaceFilter
	Tabs   []tab
	Pages  pages
}

func (s *site) adminSpaces(c *fiber.Ctx) error {
	filter := control.SpaceFilter{State: hosting.SpaceState(c.Query("state")), Text: clipped(c.Query("q")), Page: pageNumber(c)}
	if !slices.Contains(hosting.SpaceStates(), filter.State) {
		filter.State = ""
	}
	found, err := s.Control.Spaces(c.UserContext(), s.actor(c), filter)
	if err != nil {
		return err
	}
	query := url.Values{"q": {filter.Text}, "state": {string(filter.State)}}
	view := spacesPage{SpacePage: found, Filter: filter, Pages: newPages(found.Page, "/admin/spaces", query)}
	view.Tabs = append(view.Tabs, newTab("/admin/spaces", "tab_space.", query, "all", total(found.Counts), filter.State == ""))
	for _, state := range hosting.SpaceStates() {
		view.Tabs = append(view.Tabs, newTab("/admin/spaces", "tab_space.", query, string(state), found.Counts[state], filter.State == state))
	}
	return s.render(c, http.StatusOK, "admin_spaces", page{Title: s.t(c, "spaces.title"), Section: "spaces", Data: view})
}

// adminSpace shows a space with all that runs for it.
func (s *site) adminSpace(c *fiber.Ctx) error {
	found, err := s.Control.Space(c.UserContext(), s.actor(c), c.Params("id"))
	if err != nil {
		return err
	}
	refresh := 0
	if run := found.LastRun(); run != nil && run.State != work.RunDone && run.State != work.RunParked {
		refresh = 5
	}
	return s.render(c, http.StatusOK, "admin_space", page{
		Title: found.Space.Name, Section: "spaces", Refresh: refresh, Scripts: []string{"track.js"}, Data: spacePage{found, refresh, s.planTitle(c, found.Space.Plan)},
	})
}

// spacePage is a space with how often its progress is worth another look, in seconds; 0 for never.
type spacePage struct {
	control.SpaceView
	Poll      int
	PlanTitle string
}

// Parked says whether the newest run waits for a person.
func (p spacePage) Parked() bool {
	run := p.LastRun()
	return run != nil && run.State == work.RunParked
}

// adminRetry has a parked run tried again.
func (s *site) adminRetry(c *fiber.Ctx, in input) error {
	if in.Forged {
		return hosting.Errorf(hosting.Forbidden, "error.forged")
	}
	if err := s.Control.RetryRun(c.UserContext(), s.actor(c), c.Params("id")); err != nil {
		return err
	}
	s.notify(c, "notice.retried")
	return c.Redirect(spaceOf(in), http.StatusSeeOther)
}

// spaceOf is the page of the space whose run was retried: the form says which.
func spaceOf(in input) string {
	if id := in.Get("space"); id != "" {
		return localPath("/admin/spaces/" + url.PathEscape(id))
	}
	return "/admin/spaces"
}
