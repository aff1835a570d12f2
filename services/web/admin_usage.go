package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// limitsPage is the list of limits and how spaces stand with them.
type limitsPage struct {
	control.QuotaPage
	Filter  control.QuotaFilter
	Orders  []tab
	Levels  []tab
	Metrics []string
	Pages   pages
}

// limitTabs are the pages about limits, for the staff.
func limitTabs(current string) []tab {
	var tabs []tab
	for _, name := range []string{"usage", "asks", "plans"} {
		tabs = append(tabs, tab{Label: "tab_limits." + name, Href: "/admin/" + name, Count: -1, Current: name == current})
	}
	return tabs
}

// Sub are the neighbouring pages.
func (limitsPage) Sub() []tab { return limitTabs("usage") }

// adminUsage lists the spaces that are near their limits, grow fast or are not used any more.
func (s *site) adminUsage(c *fiber.Ctx) error {
	filter := control.QuotaFilter{
		Order: c.Query("order"), Level: hosting.Level(c.Query("level")), Metric: c.Query("metric"), Text: clipped(c.Query("q")), Page: pageNumber(c),
	}
	orders := []string{control.QuotaNear, control.QuotaGrowth, control.QuotaUnused}
	if !slices.Contains(orders, filter.Order) {
		filter.Order = control.QuotaNear
	}
	if !slices.Contains(hosting.Levels(), filter.Level) {
		filter.Level = ""
	}
	view := limitsPage{Filter: filter, Metrics: s.limited(c)}
	if !slices.Contains(view.Metrics, filter.Metric) {
		filter.Metric = ""
	}
	found, err := s.Control.Quotas(c.UserContext(), s.actor(c), filter)
	if err != nil {
		return err
	}
	view.QuotaPage, view.Filter = found, filter
	query := url.Values{"q": {filter.Text}, "metric": {filter.Metric}, "level": {string(filter.Level)}, "order": {filter.Order}}
	view.Pages = newPages(found.Page, "/admin/usage", query)
	for _, order := range orders {
		view.Orders = append(view.Orders, tab{Label: "tab_quota." + order, Href: address("/admin/usage", query, "order", order), Count: -1, Current: order == filter.Order})
	}
	view.Levels = append(view.Levels, tab{Label: "level.any", Href: address("/admin/usage", query, "level", ""), Count: total(found.Counts), Current: filter.Level == ""})
	for _, level := range slices.Backward(hosting.Levels()) {
		view.Levels = append(view.Levels, tab{
			Label: "level." + string(level), Href: address("/admin/usage", query, "level", string(level)), Count: found.Counts[level], Current: filter.Level == level,
		})
	}
	return s.render(c, http.StatusOK, "admin_usage", page{Title: s.t(c, "usage.title"), Section: "usage", Data: view})
}

// limited lists what plans limit, storage and accounts first.
func (s *site) limited(c *fiber.Ctx) []string {
	list := []string{hosting.MetricStorage, hosting.MetricAccounts}
	plans, err := s.Control.Plans(c.UserContext(), s.actor(c))
	if err != nil {
		return list
	}
	var more []string
	for _, p := range plans {
		for metric := range p.Limits {
			if !slices.Contains(list, metric) && !slices.Contains(more, metric) {
				more = append(more, metric)
			}
		}
	}
	slices.SortFunc(more, cmp.Compare[string])
	return append(list, more...)
}
