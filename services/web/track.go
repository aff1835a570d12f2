package web

import (
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/work"
)

// track is the private page of a request. Its address is the key to it, so it is told to nobody: no referrer, no
// cache, no search engine.
func (s *site) track(c *fiber.Ctx) error {
	p, err := s.trackView(c)
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, "track", p)
}

// trackProgress is the part of the page that changes, for the script that asks for it again and again.
func (s *site) trackProgress(c *fiber.Ctx) error {
	p, err := s.trackView(c)
	if err != nil {
		return err
	}
	return s.renderPart(c, "track", "progress", p)
}

func (s *site) trackView(c *fiber.Ctx) (page, error) {
	c.Set("Referrer-Policy", "no-referrer")
	tracking, err := s.Control.Track(c.UserContext(), c.Params("token"))
	if err != nil {
		return page{}, err
	}
	t := newTrackPage(tracking)
	t.Token = c.Params("token")
	if t.Active() {
		usage, err := s.Control.TrackUsage(c.UserContext(), t.Token)
		t.Usage = s.usagePanel(c, usage, err, "/track/"+t.Token+"/usage")
		if t.Usage != nil {
			t.Usage.More = "/track/" + t.Token + "/more"
		}
		t.Retention = s.retentionPanel(c, t.Token)
	}
	p := page{
		Title: s.t(c, "track.title", tracking.Request.Association.Name), NoIndex: true, Scripts: []string{"track.js"},
		Refresh: 5 * t.Poll, Data: t,
	}
	if t.Retention != nil {
		p.Token = s.formToken(c)
	}
	return p, nil
}

// trackPage is a request's way from the form to the open space.
type trackPage struct {
	control.Tracking
	Token  string
	Stages []stage
	Steps  []work.Step // of the newest run; empty before there is one
	Done   int         // steps done
	Parked bool        // a step waits for a person
	Poll   int         // seconds until it is worth asking again; 0 when nothing more will change
	Usage  *usagePanel // nil until the space is open

	Retention *retentionPanel // nil while nothing is to be removed
}

// stage is one point of that way. Its title and text are messages: track.<Name>.<State>.
type stage struct {
	Name  string    // sent, confirm, review, room, withdrawn, build, open
	State string    // todo, now, done, stopped
	At    time.Time // when it was reached; zero for unknown
}

// Current is the stage that says where the request stands now.
func (t trackPage) Current() stage {
	current := t.Stages[0]
	for _, s := range t.Stages {
		if s.State != "todo" {
			current = s
		}
	}
	return current
}

// Active says whether the space is open.
func (t trackPage) Active() bool { return t.Space != nil && t.Space.Space.State == hosting.SpaceActive }

// Now is the step that is being worked on, counted from 1.
func (t trackPage) Now() int { return min(t.Done+1, len(t.Steps)) }

func newTrackPage(tracking control.Tracking) trackPage {
	t := trackPage{Tracking: tracking}
	if tracking.Space != nil {
		if run := tracking.Space.LastRun(); run != nil {
			t.Steps = run.Steps
			t.Parked = run.State == work.RunParked
		}
	}
	for _, step := range t.Steps {
		if step.State == work.StepDone {
			t.Done++
		}
	}
	t.Stages, t.Poll = stages(tracking.Request, t)
	return t
}

// stages places a request on its way, and says how many seconds later to look again.
func stages(r hosting.Request, t trackPage) ([]stage, int) {
	sent := stage{"sent", "done", r.CreatedAt}
	confirm := stage{"confirm", "done", r.ConfirmedAt}
	review := stage{"review", "done", r.DecidedAt}
	build, open := stage{Name: "build", State: "todo"}, stage{Name: "open", State: "todo"}
	poll := 0
	room := stage{"room", "done", r.DecidedAt}
	waited := !r.WaitingSince.IsZero()
	if waited && r.State != hosting.RequestRefused {
		review.At = r.WaitingSince // a reviewer said yes then
	}
	switch {
	case r.State == hosting.RequestWaiting:
		room, poll = stage{Name: "room", State: "now"}, 60
	case r.State == hosting.RequestRefused && r.SpaceID != "":
		review.At = time.Time{} // nobody noted when it was approved
		return []stage{sent, confirm, review, {"withdrawn", "stopped", r.DecidedAt}}, 0
	case r.State == hosting.RequestUnconfirmed:
		confirm.State, review.State, poll = "now", "todo", 30
	case r.State == hosting.RequestPending:
		review.State, poll = "now", 60
	case r.State == hosting.RequestRefused:
		review.State = "stopped"
		return []stage{sent, confirm, review}, 0
	case t.Active():
		build.State, open = "done", stage{"open", "done", t.Space.Space.ActivatedAt}
	case t.Parked:
		build.State, poll = "stopped", 15
	default:
		build.State, poll = "now", 2
	}
	if waited {
		return []stage{sent, confirm, review, room, build, open}, poll
	}
	return []stage{sent, confirm, review, build, open}, poll
}
