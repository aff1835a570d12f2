package web

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
)

// moreForm is the wish for more as it is typed.
type moreForm struct {
	Want    string            // plan, or the metric
	Plan    string            // another plan
	Amounts map[string]string // by metric, as typed
	Reason  string
	Alert   string
	Ref     string
	Errors  map[string]string // plan, amount, reason; in the visitor's language
	Usage   control.UsageView
	Metrics []quotaCard        // of which there can be more
	Plans   []control.PlanView // other ones
	Token   string             // of the private page
}

// Wrong lists the fields with an error, in the order of the page.
func (f moreForm) Wrong() []string {
	var wrong []string
	for _, field := range []string{"want", "plan", "amount", "reason"} {
		if f.Errors[field] != "" {
			wrong = append(wrong, field)
		}
	}
	return wrong
}

// trackMore shows the form to ask for more.
func (s *site) trackMore(c *fiber.Ctx) error { return s.morePage(c, http.StatusOK, moreForm{}) }

// trackMoreSend receives it. Whatever goes wrong, the answer is the form with all that was typed.
func (s *site) trackMoreSend(c *fiber.Ctx, in input) error {
	form := moreForm{Want: in.Get("want"), Plan: in.Get("plan"), Reason: in.Get("reason"), Amounts: map[string]string{}}
	for _, metric := range []string{hosting.MetricStorage, hosting.MetricAccounts} {
		form.Amounts[metric] = in.Get(metric)
	}
	if in.Forged {
		form.Alert = s.t(c, "error.forged_form")
		return s.morePage(c, http.StatusForbidden, form)
	}
	if wait, ok := s.forms.take(s.visitOf(c).IP); !ok {
		retryAfter(c, wait)
		form.Alert = s.t(c, "error.too_many_forms")
		return s.morePage(c, http.StatusTooManyRequests, form)
	}
	ask, wrong := newAsk(form)
	if wrong != nil {
		return s.moreWrong(c, form, together(wrong, hosting.ValidateWish("reason", form.Reason)))
	}
	if _, err := s.Control.AskMore(c.UserContext(), s.actor(c), c.Params("token"), ask); err != nil {
		if hosting.CodeOf(err) == hosting.NotFound {
			return err
		}
		return s.moreWrong(c, form, err)
	}
	s.notify(c, "notice.ask_sent")
	return c.Redirect("/track/"+c.Params("token")+"#usage", http.StatusSeeOther)
}

// newAsk reads what is wished.
func newAsk(f moreForm) (control.NewAsk, error) {
	ask := control.NewAsk{Reason: f.Reason}
	wrong := func(field, key string) error {
		return &hosting.Error{Code: hosting.Invalid, Key: "error.form", Fields: []hosting.FieldError{{Field: field, Key: key}}}
	}
	switch f.Want {
	case "plan":
		if f.Plan == "" {
			return ask, wrong("plan", "error.choice")
		}
		ask.Plan = f.Plan
	case hosting.MetricStorage, hosting.MetricAccounts:
		n, ok := typedAmount(f.Want, f.Amounts[f.Want])
		if !ok {
			return ask, wrong("amount", "error.amount")
		}
		ask.Metric, ask.Wanted = f.Want, n
	default:
		return ask, wrong("want", "error.choice")
	}
	return ask, nil
}

// together is one error with all that is wrong with a form, so that people see it at once.
func together(errs ...error) error {
	all := &hosting.Error{Code: hosting.Invalid, Key: "error.form"}
	for _, err := range errs {
		var wrong *hosting.Error
		if errors.As(err, &wrong) {
			all.Fields = append(all.Fields, wrong.Fields...)
		}
	}
	return all
}

// typedAmount reads what somebody typed as a limit: storage in GiB, with a comma or a point, all else a whole number.
func typedAmount(metric, text string) (int64, bool) {
	text = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\u00a0' || r == '\u202f' {
			return -1
		}
		return r
	}, text)
	if !hosting.ByteMetric(metric) {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && n >= 0 && n <= 1e15
	}
	whole := strings.Replace(text, ",", ".", 1)
	if whole == "" || strings.Trim(whole, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(whole, 64)
	if err != nil || f < 0 || f > 1<<22 { // 4 PiB
		return 0, false
	}
	return int64(math.Round(f * (1 << 30))), true
}

// moreWrong shows the form again with what err says, beside the fields where it can.
func (s *site) moreWrong(c *fiber.Ctx, form moreForm, err error) error {
	f := s.failure(c, err)
	form.Alert, form.Ref, form.Errors = f.Message, f.Ref, map[string]string{}
	for field, text := range s.fieldErrors(c, err) {
		if field == "wanted" || field == "metric" {
			field = "amount"
		}
		form.Errors[field] = text
	}
	return s.morePage(c, f.Status, form)
}

func (s *site) morePage(c *fiber.Ctx, status int, form moreForm) error {
	found, err := s.Control.TrackUsage(c.UserContext(), c.Params("token"))
	if err != nil {
		return err
	}
	form.Usage, form.Token = found, c.Params("token")
	for _, p := range s.Control.PlanViews() {
		if p.ID != found.Space.Plan {
			form.Plans = append(form.Plans, p)
		}
	}
	for _, q := range found.Quotas {
		if q.Limit >= 0 && (q.Metric == hosting.MetricStorage || q.Metric == hosting.MetricAccounts) {
			form.Metrics = append(form.Metrics, quotaCard{QuotaView: q, now: s.Now()})
		}
	}
	title := s.t(c, "more.title")
	if form.Alert != "" {
		title = s.t(c, "request.title_error", title)
	}
	return s.render(c, status, "more", page{
		Title: title, NoIndex: true, Scripts: []string{"request.js"}, Token: s.formToken(c), Data: form,
	})
}
