package web

import (
	"errors"
	"net/http"
	"slices"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// reviewPage is one request as a reviewer sees it.
type reviewPage struct {
	control.RequestView
	Alert     string // why the last try did not work
	Reason    string // typed into the refusal
	Wrong     string // what is wrong with the reason
	PlanTitle string
	Open      string // part of the page that stands open: refuse, approve or none
	Services  []service
	Gone      []string // kinds that were asked for and that nothing can be installed for any more
	Room      *room    // what the services take from the plan; nil when the plan is not on offer any more
}

// Pending says whether there is still something to decide.
func (p reviewPage) Pending() bool { return p.Request.State == hosting.RequestPending }

// Waits says whether it is approved and waits for room.
func (p reviewPage) Waits() bool { return p.Request.State == hosting.RequestWaiting }

// ClusterRoom is whether the cluster has room for it now.
func (p reviewPage) ClusterRoom() clusterRoom { return clusterRoom{p.RequestView.Room, p.Waits()} }

// WouldWait says whether an approval would have it wait.
func (p reviewPage) WouldWait() bool { return p.RequestView.Room.Known && !p.RequestView.Room.Fits }

// clusterRoom is what a request needs of the cluster and what that has.
type clusterRoom struct {
	control.Room
	Waits bool // it waits for it already
}

// shortage is a resource of which there is too little: MHz of cpu, MiB of memory or disk.
type shortage struct {
	Name string
	N    int
}

// Left is what can be promised once the request has its part.
func (r clusterRoom) Left() hosting.Resources {
	return hosting.Resources{CPU: r.Free.CPU - r.Need.CPU, Memory: r.Free.Memory - r.Need.Memory, Disk: r.Free.Disk - r.Need.Disk}
}

// Missing lists what there is too little of.
func (r clusterRoom) Missing() []shortage {
	left := r.Left()
	list := []shortage{{"cpu", -left.CPU}, {"memory", -left.Memory}, {"disk", -left.Disk}}
	return slices.DeleteFunc(list, func(s shortage) bool { return s.N <= 0 })
}

func (s *site) adminRequest(c *fiber.Ctx) error {
	return s.reviewPage(c, http.StatusOK, reviewPage{})
}

// adminApprove approves. Who comes second sees the page as it is now, and why nothing was done.
func (s *site) adminApprove(c *fiber.Ctx, in input) error {
	if in.Forged {
		return s.reviewPage(c, http.StatusForbidden, reviewPage{Alert: s.t(c, "error.forged_form"), Open: "approve"})
	}
	id := c.Params("id")
	approval, err := s.Control.Approve(c.UserContext(), s.actor(c), id)
	if err != nil {
		return s.reviewFailed(c, err, reviewPage{})
	}
	if approval.Waiting {
		s.notify(c, "notice.waiting")
	} else {
		s.notify(c, "notice.approved")
	}
	return c.Redirect("/admin/requests/"+id, http.StatusSeeOther)
}

// adminRefuse refuses with a reason, which the association gets by mail.
func (s *site) adminRefuse(c *fiber.Ctx, in input) error {
	view := reviewPage{Reason: in.Get("reason"), Open: "refuse"}
	if in.Forged {
		view.Alert = s.t(c, "error.forged_form")
		return s.reviewPage(c, http.StatusForbidden, view)
	}
	id := c.Params("id")
	if err := s.Control.Refuse(c.UserContext(), s.actor(c), id, view.Reason); err != nil {
		view.Wrong = s.fieldErrors(c, err)["reason"]
		return s.reviewFailed(c, err, view)
	}
	s.notify(c, "notice.refused")
	return c.Redirect("/admin/requests/"+id, http.StatusSeeOther)
}

// reviewFailed shows the page again with what went wrong, where the reviewer can do something about it.
func (s *site) reviewFailed(c *fiber.Ctx, err error, view reviewPage) error {
	var known *hosting.Error
	if !errors.As(err, &known) || known.Code == hosting.Internal || known.Code == hosting.NotFound {
		return err
	}
	f := s.failure(c, err)
	view.Alert = f.Message
	return s.reviewPage(c, f.Status, view)
}

// planTitle is a plan as people know it, or its ID when the host no longer offers it.
func (s *site) planTitle(c *fiber.Ctx, id string) string {
	for _, p := range s.Control.PlanViews() {
		if title := picked(p.Title, s.visitOf(c).Lang); p.ID == id && title != "" {
			return title
		}
	}
	return id
}

func (s *site) reviewPage(c *fiber.Ctx, status int, view reviewPage) error {
	found, err := s.Control.Request(c.UserContext(), s.actor(c), c.Params("id"))
	if err != nil {
		return err
	}
	view.RequestView, view.PlanTitle = found, s.planTitle(c, found.Request.Plan)
	plan := planOf(s.Control.PlanViews(), found.Request.Plan)
	view.Services = newServices(found.Apps, found.Request.Kinds, plan)
	view.Room = newRoom(view.Services, plan)
	for _, kind := range found.Request.Kinds {
		if !slices.ContainsFunc(found.Apps, func(v control.AppView) bool { return v.Kind == kind }) {
			view.Gone = append(view.Gone, kind)
		}
	}
	return s.render(c, status, "admin_request", page{
		Title: found.Request.Association.Name, Section: "requests", Data: view,
	})
}
