package mail

// writers returns what writes the subject and the blocks of each template. Its sentences are in services/locale.
func (d *draft) writers() map[string]func() {
	return map[string]func(){
		TemplateConfirm:         d.confirm,
		TemplateReceived:        d.received,
		TemplateApproved:        d.approved,
		TemplateWaiting:         d.waiting,
		TemplateRefused:         d.refused,
		TemplateActive:          d.active,
		TemplateStaffNewRequest: d.staffNewRequest,
		TemplateQuotaNotice:     d.quotaNotice,
		TemplateQuotaWarning:    d.quotaWarning,
		TemplateQuotaFull:       d.quotaFull,
		TemplateQuotaStopped:    d.quotaStopped,
		TemplateQuotaAllowed:    d.quotaAllowed,
		TemplateQuotaLimit:      d.quotaLimit,
		TemplateAskGranted:      d.askGranted,
		TemplateAskDeclined:     d.askDeclined,
		TemplateStaffAsk:        d.staffAsk,
		TemplateRetention:       d.retention,
	}
}

func (d *draft) confirm() {
	slug := d.arg(ArgSlug)
	d.subject("confirm.subject", slug)
	if name := linkless(d.optional(ArgAssociation)); name != "" {
		d.paragraph("confirm.asked_for", slug, d.options.Host, name)
	} else {
		d.paragraph("confirm.asked", slug, d.options.Host)
	}
	d.paragraph("confirm.why")
	d.link("confirm.link", d.options.Links.Confirm)
	d.paragraph("confirm.not_you")
}

func (d *draft) received() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("received.subject", slug)
	d.paragraph("received.confirmed", slug, association)
	d.paragraph("received.next")
	d.track()
}

func (d *draft) approved() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("approved.subject", slug)
	d.paragraph("approved.decision", slug, association)
	d.paragraph("approved.next")
	d.track()
}

func (d *draft) waiting() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("waiting.subject", slug)
	d.paragraph("waiting.decision", slug, association)
	d.paragraph("waiting.why")
	d.paragraph("waiting.next")
	d.track()
}

func (d *draft) refused() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("refused.subject", slug)
	d.paragraph("refused.decision", slug, association)
	d.paragraph("refused.why")
	d.quote()
	d.paragraph("refused.answer")
	d.link("refused.link", d.options.Links.Track)
}

func (d *draft) active() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("active.subject", slug)
	d.paragraph("active.open", slug, association)
	d.addresses()
	d.paragraph("active.start")
	d.paragraph("active.careful")
	d.paragraph("active.help")
	d.link("active.link", d.options.Links.Track)
}

func (d *draft) staffNewRequest() {
	slug, association := d.arg(ArgSlug), d.arg(ArgAssociation)
	d.subject("staff_new_request.subject", short(association), slug)
	d.paragraph("staff_new_request.waits", slug, association)
	d.link("staff_new_request.link", d.options.Links.Dashboard)
}

// track adds the link to the request's private page, and says that it is private.
func (d *draft) track() {
	d.link("track.link", d.options.Links.Track)
	d.paragraph("track.private")
}
