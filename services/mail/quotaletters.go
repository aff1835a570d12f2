package mail

import (
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/locale"
)

func (d *draft) quotaNotice() { d.near("quota_notice") }

func (d *draft) quotaWarning() { d.near("quota_warning") }

// near tells of a limit that comes closer.
func (d *draft) near(template string) {
	g := d.gauges()
	d.subject(template+".subject", d.arg(ArgSlug), d.share(g[0]), d.metric(g[0].Metric))
	d.paragraph(template+".reached", d.arg(ArgSlug))
	d.stand(g)
	d.paragraph(template + ".now")
	switch days, stops := d.number(ArgGraceDays); {
	case !stops:
		d.paragraph("quota.then_nothing")
	case days > 0:
		d.paragraph("quota.then_grace", days)
	default:
		d.paragraph("quota.then_stops")
	}
	d.relief(g[0].Metric)
}

func (d *draft) quotaFull() {
	g := d.gauges()
	d.subject("quota_full.subject", d.arg(ArgSlug), d.metric(g[0].Metric))
	d.paragraph("quota_full.reached", d.arg(ArgSlug))
	d.stand(g)
	if day, stops := d.date(ArgStops); stops {
		d.paragraph("quota_full.stops", day)
		if percent, sooner := d.number(ArgOver); sooner {
			d.paragraph("quota_full.over", locale.Percent(d.mail.Lang, 10*percent))
		}
		d.paragraph("quota.always")
	} else {
		d.paragraph("quota_full.nothing")
	}
	d.relief(g[0].Metric)
}

func (d *draft) quotaStopped() {
	g := d.gauges()
	d.subject("quota_stopped.subject", d.arg(ArgSlug), d.metric(g[0].Metric))
	d.paragraph("quota_stopped.now", d.arg(ArgSlug))
	d.stand(g)
	if d.mail.Args[ArgAddresses] != "" {
		d.paragraph("quota_stopped.where")
		d.addresses()
	}
	d.paragraph("quota.always")
	d.paragraph("quota_stopped.back")
	d.relief(g[0].Metric)
}

func (d *draft) quotaAllowed() {
	g := d.gauges()
	d.subject("quota_allowed.subject", d.arg(ArgSlug), d.metric(g[0].Metric))
	d.paragraph("quota_allowed.now", d.arg(ArgSlug))
	d.bars(g)
	if percent, close := d.number(ArgBelow); close {
		d.paragraph("quota_allowed.close", locale.Percent(d.mail.Lang, 10*percent))
	}
	d.page()
}

func (d *draft) quotaLimit() {
	g := d.gauges()
	d.subject("quota_limit.subject", d.arg(ArgSlug), d.metric(g[0].Metric))
	d.paragraph("quota_limit.changed", d.arg(ArgSlug))
	d.bars(g)
	day, ends := d.date(ArgUntil)
	switch {
	case d.mail.Args[ArgPlan] != "":
		d.paragraph("quota_limit.plan", d.optional(ArgPlan))
	case ends:
		d.paragraph("quota_limit.until", day)
	default:
		d.paragraph("quota_limit.stays")
	}
	d.page()
}

func (d *draft) askGranted() {
	d.subject("ask_granted.subject", d.arg(ArgSlug))
	d.paragraph("ask_granted.decision", d.wish())
	if d.mail.Args[ArgPlan] != "" {
		d.paragraph("ask_granted.plan")
	}
	if d.optional(ArgReason) != "" {
		d.quote()
	}
	d.bars(d.gauges())
	d.page()
}

func (d *draft) askDeclined() {
	d.subject("ask_declined.subject", d.arg(ArgSlug))
	d.paragraph("ask_declined.decision", d.wish())
	d.paragraph("ask_declined.why")
	d.quote()
	d.paragraph("ask_declined.answer")
	d.page()
}

func (d *draft) staffAsk() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("staff_ask.subject", short(association), slug)
	d.paragraph("staff_ask.waits", slug, association, d.wish())
	d.quote()
	d.bars(d.gauges())
	d.link("staff_ask.link", d.options.Links.Dashboard)
}

// wish says what an association asked for: a plan, or so much of something.
func (d *draft) wish() string {
	if plan := d.optional(ArgPlan); plan != "" {
		return d.say("ask.plan", plan)
	}
	metric, wanted := d.arg(ArgMetric), 0
	if n, ok := d.number(ArgWanted); ok {
		wanted = n
	}
	if d.err != nil {
		return ""
	}
	return d.say("ask.amount", d.metric(metric), d.amount(metric, int64(wanted)))
}

// share is how much of a limit is used.
func (d *draft) share(g Gauge) string {
	return locale.Percent(d.mail.Lang, hosting.Quota{Used: g.Used, Limit: g.Limit}.Permille())
}

// stand shows how the space stands and what counts.
func (d *draft) stand(g []Gauge) {
	d.bars(g)
	d.shares(g[0].Metric)
}

// relief says how to make room, and how to ask for more.
func (d *draft) relief(metric string) {
	switch metric {
	case hosting.MetricStorage:
		d.paragraph("quota.room_storage")
	case hosting.MetricAccounts:
		d.paragraph("quota.room_accounts")
	default:
		d.paragraph("quota.room_objects", d.metric(metric))
	}
	d.paragraph("quota.more")
	d.page()
}

// page adds the link to the private page of the space.
func (d *draft) page() {
	d.link("quota.link", d.options.Links.Track)
	d.paragraph("quota.private")
}
