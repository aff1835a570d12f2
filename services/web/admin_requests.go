package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// adminHome leads to the queue, which is where a reviewer's day begins.
func (s *site) adminHome(c *fiber.Ctx) error {
	return c.Redirect("/admin/requests", http.StatusSeeOther)
}

// queuePage is the queue of requests.
type queuePage struct {
	control.RequestPage
	Filter control.RequestFilter
	Tabs   []tab
	Kinds  []control.KindView
	Pages  pages
}

// adminRequests lists the requests. Without a choice it shows those that wait for a reviewer.
func (s *site) adminRequests(c *fiber.Ctx) error {
	filter := control.RequestFilter{
		State: hosting.RequestState(c.Query("state", string(hosting.RequestPending))),
		Text:  clipped(c.Query("q")), Kind: c.Query("kind"), Page: pageNumber(c),
	}
	if filter.State == "all" {
		filter.State = ""
	} else if !slices.Contains(hosting.RequestStates(), filter.State) {
		filter.State = hosting.RequestPending
	}
	kinds := s.Control.Kinds()
	if !slices.ContainsFunc(kinds, func(k control.KindView) bool { return k.ID == filter.Kind }) {
		filter.Kind = ""
	}
	found, err := s.Control.Requests(c.UserContext(), s.actor(c), filter)
	if err != nil {
		return err
	}
	query := url.Values{"q": {filter.Text}, "kind": {filter.Kind}, "state": {cmp.Or(string(filter.State), "all")}}
	view := queuePage{RequestPage: found, Filter: filter, Kinds: kinds, Pages: newPages(found.Page, "/admin/requests", query)}
	for _, state := range hosting.RequestStates() {
		view.Tabs = append(view.Tabs, newTab("/admin/requests", "tab_request.", query, string(state), found.Counts[state], filter.State == state))
	}
	view.Tabs = append(view.Tabs, newTab("/admin/requests", "tab_request.", query, "all", total(found.Counts), filter.State == ""))
	return s.render(c, http.StatusOK, "admin_requests", page{Title: s.t(c, "queue.title"), Section: "requests", Data: view})
}

// maxSearch bounds what is searched for, in bytes.
const maxSearch = 200

func clipped(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxSearch)], "") }

func pageNumber(c *fiber.Ctx) int {
	n, err := strconv.Atoi(c.Query("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

func total[K comparable](counts map[K]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}
