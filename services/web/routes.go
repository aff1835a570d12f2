package web

import "github.com/gofiber/fiber/v2"

// routes is the whole map of the site. public and staff wrap what receives a form: they decode it and check that the
// page it comes from is ours; signedIn lets only the staff in.
func (s *site) routes(app *fiber.App) {
	app.Use(s.observe, s.headers, s.language)

	app.Get("/healthz", s.health)
	app.Get("/robots.txt", s.robots)
	app.Get("/favicon.svg", s.favicon)
	app.Get("/static/:file", s.static)
	app.Get("/icons.css", s.iconStyles)
	app.Get("/icons/:file", s.icon)

	app.Get("/", s.home)
	app.Get("/catalogue", s.catalogue)
	app.Get("/request", s.requestForm)
	app.Post("/request", s.public(s.requestSend))
	app.Get("/request/sent", s.requestSent)
	app.Get("/slug", s.slug)
	app.Get("/confirm/:token", s.confirmAsk)
	app.Post("/confirm/:token", s.public(s.confirmDo))
	app.Get("/track/:token", s.track)
	app.Get("/track/:token/progress", s.trackProgress)
	app.Get("/track/:token/usage", s.trackUsage)
	app.Get("/track/:token/usage.csv", s.trackUsageFile)
	app.Get("/track/:token/more", s.trackMore)
	app.Post("/track/:token/more", s.public(s.trackMoreSend))
	app.Post("/track/:token/keep", s.public(s.trackKeep))

	app.Get("/admin", s.signedIn(s.adminHome))
	app.Get("/admin/login", s.login)
	app.Post("/admin/login", s.public(s.loginSend))
	app.Post("/admin/logout", s.staff(s.logout))
	app.Get("/admin/requests", s.signedIn(s.adminRequests))
	app.Get("/admin/requests/:id", s.signedIn(s.adminRequest))
	app.Post("/admin/requests/:id/approve", s.staff(s.adminApprove))
	app.Post("/admin/requests/:id/refuse", s.staff(s.adminRefuse))
	app.Get("/admin/spaces", s.signedIn(s.adminSpaces))
	app.Get("/admin/spaces/:id", s.signedIn(s.adminSpace))
	app.Get("/admin/spaces/:id/usage", s.signedIn(s.adminSpaceUsage))
	app.Get("/admin/spaces/:id/usage.csv", s.signedIn(s.adminSpaceUsageFile))
	app.Post("/admin/spaces/:id/exception", s.staff(s.adminException))
	app.Post("/admin/spaces/:id/exception/end", s.staff(s.adminExceptionEnd))
	app.Get("/admin/spaces/:id/plan", s.signedIn(s.adminPlanMove))
	app.Post("/admin/spaces/:id/plan", s.staff(s.adminPlanMoveDo))
	app.Post("/admin/spaces/:id/withdraw", s.staff(s.adminWithdraw))
	app.Post("/admin/runs/:id/retry", s.staff(s.adminRetry))
	app.Get("/admin/usage", s.signedIn(s.adminUsage))
	app.Get("/admin/asks", s.signedIn(s.adminAsks))
	app.Post("/admin/asks/:id", s.staff(s.adminAskAnswer))
	app.Get("/admin/plans", s.signedIn(s.adminPlans))
	app.Post("/admin/plans/:plan/apply", s.staff(s.adminPlanApply))
	app.Get("/admin/capacity", s.signedIn(s.adminCapacity))
	app.Get("/admin/catalogue", s.signedIn(s.adminCatalogue))
	app.Get("/admin/audit", s.signedIn(s.adminAudit))
}
