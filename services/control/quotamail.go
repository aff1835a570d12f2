package control

import (
	"fmt"
	"strconv"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// maxShares is how many services a mail names of those that use a limit.
const maxShares = 5

// tell writes to an association what follows from how its space stands.
func (c *Control) tell(tx *store.Tx, s scale, space hosting.Space, all []weighed) error {
	if space.RequestID == "" {
		return nil // the host's own
	}
	plan := s.plan(space)
	for _, w := range all {
		for _, event := range w.events {
			template, args := letter(event, w.next, plan.Thresholds)
			if event == hosting.QuotaStopped {
				if err := c.addStopped(s, space, w.next, args); err != nil {
					return err
				}
			}
			if template != mail.TemplateQuotaAllowed {
				if err := c.addShares(s, space, w.next.Metric, args); err != nil {
					return err
				}
			}
			if err := c.mailQuota(tx, template, space, gauges(all, w.next.Metric), args); err != nil {
				return err
			}
		}
	}
	return nil
}

// letter is the template that tells of an event, and its arguments.
func letter(event hosting.QuotaEvent, q hosting.Quota, thresholds []hosting.Threshold) (string, map[string]string) {
	if len(thresholds) == 0 {
		thresholds = hosting.DefaultThresholds()
	}
	args := map[string]string{}
	stop, at := firstStop(thresholds)
	switch {
	case event == hosting.QuotaStopped:
		return mail.TemplateQuotaStopped, args
	case event == hosting.QuotaAllowed:
		if !q.GraceEnds.IsZero() {
			args[mail.ArgBelow] = strconv.Itoa(max(at-hosting.Rearm, 0))
		}
		return mail.TemplateQuotaAllowed, args
	case !q.StopsAt.IsZero():
		args[mail.ArgStops] = q.StopsAt.Format(time.RFC3339)
		if percent, grace := soonerStop(thresholds, q); grace {
			args[mail.ArgOver] = strconv.Itoa(percent)
		}
		return mail.TemplateQuotaFull, args
	case q.Level == hosting.LevelFull || q.Level == hosting.LevelOver:
		return mail.TemplateQuotaFull, args
	}
	if stop != nil {
		args[mail.ArgGraceDays] = strconv.Itoa(int(stop.Grace / day))
	}
	if q.Level == hosting.LevelWarning {
		return mail.TemplateQuotaWarning, args
	}
	return mail.TemplateQuotaNotice, args
}

// firstStop is the lowest threshold that stops growth, and the percent at which it does; nil for none.
func firstStop(thresholds []hosting.Threshold) (*hosting.Threshold, int) {
	for _, t := range thresholds {
		if t.Stops {
			return &t, t.At
		}
	}
	return nil, 0
}

// soonerStop is the percent of a limit at which growth stops at once, above what is used now.
func soonerStop(thresholds []hosting.Threshold, q hosting.Quota) (int, bool) {
	for _, t := range thresholds {
		if t.Stops && t.Grace == 0 && q.Used < hosting.PartOf(q.Limit, t.At) {
			return t.At, true
		}
	}
	return 0, false
}

// addStopped names the services that take no more.
func (c *Control) addStopped(s scale, space hosting.Space, q hosting.Quota, args map[string]string) error {
	var addresses []mail.Address
	for _, i := range concerned(s, space.ID, q.Metric) {
		view := c.instanceView(i)
		addresses = append(addresses, mail.Address{Title: view.Title[space.Lang], URL: view.URL})
	}
	if len(addresses) == 0 {
		return nil
	}
	text, err := mail.EncodeAddresses(addresses)
	args[mail.ArgAddresses] = text
	return err
}

// addShares names what counts.
func (c *Control) addShares(s scale, space hosting.Space, metric string, args map[string]string) error {
	values := map[string]int64{}
	for _, p := range sums(s.usage[space.ID])[metric].parts {
		values[p.InstanceID] += p.Value
	}
	var parts []QuotaPart
	titles := map[string]string{}
	for _, i := range s.instances[space.ID] {
		if value := values[i.ID]; value > 0 {
			parts = append(parts, QuotaPart{InstanceID: i.ID, Value: value})
			titles[i.ID] = c.instanceView(i).Title[space.Lang]
		}
	}
	if len(parts) < 2 && metric != hosting.MetricStorage {
		return nil // says what the bar says
	}
	var shares []mail.Share
	for _, p := range largest(parts)[:min(len(parts), maxShares)] {
		shares = append(shares, mail.Share{Title: titles[p.InstanceID], Value: p.Value})
	}
	text, err := mail.EncodeShares(shares)
	args[mail.ArgShares] = text
	return err
}

// gauges are a space's limits, the one that a mail is about first.
func gauges(all []weighed, metric string) []mail.Gauge {
	var about, others []mail.Gauge
	for _, w := range all {
		g := mail.Gauge{Metric: w.next.Metric, Used: w.next.Used, Limit: w.next.Limit}
		switch {
		case g.Metric == metric:
			about = append(about, g)
		case g.Limit != hosting.Unlimited && !w.next.MeasuredAt.IsZero():
			others = append(others, g)
		}
	}
	return append(about, others...)
}

// mailQuota puts a mail about a space's limits into the outbox.
func (c *Control) mailQuota(tx *store.Tx, template string, s hosting.Space, g []mail.Gauge, args map[string]string) error {
	q, err := tx.Request(s.RequestID)
	if err != nil {
		return fmt.Errorf("the request of the space %s: %w", s.Handle, err)
	}
	if args[mail.ArgGauges], err = mail.EncodeGauges(g); err != nil {
		return err
	}
	return c.mail(tx, template, q, args)
}

// mailLimit tells an association that a limit of its space was changed, whose exception it is, nil for none any more.
func (c *Control) mailLimit(tx *store.Tx, space hosting.Space, metric string, e *hosting.QuotaException) error {
	s, err := c.scale(tx, []string{space.ID})
	if err != nil {
		return err
	}
	args := map[string]string{}
	switch {
	case e == nil:
		args[mail.ArgPlan] = c.planTitle(space.Plan, space.Lang)
	case !e.ExpiresAt.IsZero():
		args[mail.ArgUntil] = e.ExpiresAt.Format(time.RFC3339)
	}
	return c.mailQuota(tx, mail.TemplateQuotaLimit, space, []mail.Gauge{s.gauge(space, metric)}, args)
}

// gauge is how a space stands with a limit, as it holds now.
func (s scale) gauge(space hosting.Space, metric string) mail.Gauge {
	limit, _ := s.limit(space, s.plan(space), metric)
	return mail.Gauge{Metric: metric, Used: sums(s.usage[space.ID])[metric].value, Limit: limit}
}

// planTitle is the name of a plan for people, its identifier where the catalogue does not have it any more.
func (c *Control) planTitle(id, lang string) string {
	if p, known := c.catalogue.Plan(id); known {
		return p.Title(lang)
	}
	return id
}

// mailAsk tells the staff of a wish.
func (c *Control) mailAsk(tx *store.Tx, q hosting.Request, space hosting.Space, a hosting.QuotaAsk) error {
	args, err := c.askArgs(tx, space, a, staffLang)
	if err != nil {
		return err
	}
	args[mail.ArgSlug], args[mail.ArgAssociation], args[mail.ArgReason] = space.Slug, space.Name, a.Reason
	users, err := tx.Users()
	if err != nil {
		return err
	}
	for _, u := range users {
		if !u.DisabledAt.IsZero() {
			continue
		}
		args[mail.ArgContact] = u.Name
		err := tx.Enqueue(store.Mail{Recipient: u.Email, Lang: staffLang, Template: mail.TemplateStaffAsk, Args: args, RequestID: q.ID}, c.MailDomain())
		if err != nil {
			return err
		}
	}
	return nil
}

// staffLang is the language of mails to the staff.
const staffLang = "fr"

// mailAnswer tells an association what became of its wish.
func (c *Control) mailAnswer(tx *store.Tx, template string, space hosting.Space, a hosting.QuotaAsk) error {
	q, err := tx.Request(space.RequestID)
	if err != nil {
		return fmt.Errorf("the request of the space %s: %w", space.Handle, err)
	}
	args, err := c.askArgs(tx, space, a, q.Contact.Lang)
	if err != nil {
		return err
	}
	args[mail.ArgReason] = a.Answer
	return c.mail(tx, template, q, args)
}

// askArgs are what mails about a wish say.
func (c *Control) askArgs(tx *store.Tx, space hosting.Space, a hosting.QuotaAsk, lang string) (map[string]string, error) {
	s, err := c.scale(tx, []string{space.ID})
	if err != nil {
		return nil, err
	}
	args := map[string]string{}
	metrics := []string{hosting.MetricStorage, hosting.MetricAccounts}
	if a.Plan != "" {
		args[mail.ArgPlan] = c.planTitle(a.Plan, lang)
	} else {
		args[mail.ArgMetric], args[mail.ArgWanted] = a.Metric, strconv.FormatInt(a.Wanted, 10)
		metrics = []string{a.Metric}
	}
	var all []mail.Gauge
	for _, metric := range metrics {
		all = append(all, s.gauge(space, metric))
	}
	args[mail.ArgGauges], err = mail.EncodeGauges(all)
	return args, err
}
