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
func (s *site) adminSpace(c *fiber.Ctx) error { return s.spacePage(c, http.StatusOK, spacePage{}) }

func (s *site) spacePage(c *fiber.Ctx, status int, view spacePage) error {
	found, err := s.Control.Space(c.UserContext(), s.actor(c), c.Params("id"))
	if err != nil {
		return err
	}
	view.SpaceView, view.PlanTitle = found, s.planTitle(c, found.Space.Plan)
	if run := found.LastRun(); run != nil && run.State != work.RunDone && run.State != work.RunParked && run.State != work.RunWithdrawn {
		view.Poll = 5
	}
	if found.Space.State != hosting.SpaceWithdrawn {
		usage, err := s.Control.SpaceUsage(c.UserContext(), s.actor(c), found.Space.ID)
		view.Usage = s.usagePanel(c, usage, err, "/admin/spaces/"+url.PathEscape(found.Space.ID)+"/usage")
	}
	view.Exception.Metrics = s.limited(c)
	return s.render(c, status, "admin_space", page{
		Title: found.Space.Name, Section: "spaces", Refresh: view.Poll, Scripts: []string{"track.js"}, Data: view,
	})
}

// spaceFailed shows the page of a space again with what went wrong, where somebody can do something about it. keep puts what
// was typed back into its form.
func (s *site) spaceFailed(c *fiber.Ctx, err error, keep func(p *spacePage, errors map[string]string)) error {
	if known(err) == nil {
		return err
	}
	f := s.failure(c, err)
	view := spacePage{Alert: f.Message}
	keep(&view, s.fieldErrors(c, err))
	return s.spacePage(c, f.Status, view)
}

// spacePage is a space as the staff sees it.
type spacePage struct {
	control.SpaceView
	Poll      int // how often its progress is worth another look, in seconds; 0 for never
	PlanTitle string
	Usage     *usagePanel // nil where nothing is ever measured
	Alert     string      // why the last try did not work
	Exception exceptionForm
	Withdraw  withdrawForm
}

// Withdrawable says whether the space can be taken back: nobody worked on it yet.
func (p spacePage) Withdrawable() bool {
	return p.Space.State == hosting.SpaceApproved && !p.Space.Shared
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
