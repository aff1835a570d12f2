package mail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// TestQuotaLettersSayWhatFollows changes what a plan says, and looks for the sentence that depends on it.
func TestQuotaLettersSayWhatFollows(t *testing.T) {
	r := newRenderer(t)
	for name, c := range map[string]struct {
		template string
		change   func(*store.Mail)
		has, not string
	}{
		"days":            {mail.TemplateQuotaNotice, nil, "you will have 14 more days", "nothing is blocked"},
		"one day":         {mail.TemplateQuotaWarning, set(mail.ArgGraceDays, "1"), "you will have 1 more day to", "days"},
		"no days":         {mail.TemplateQuotaNotice, set(mail.ArgGraceDays, "0"), "nothing can be added until there is room", "more day"},
		"no stop":         {mail.TemplateQuotaNotice, unset(mail.ArgGraceDays), "nothing is blocked", "can be added"},
		"date":            {mail.TemplateQuotaFull, nil, "until 6\u00a0December 2026", "Nothing is blocked"},
		"sooner":          {mail.TemplateQuotaFull, nil, "grows to 150%", "Nothing is blocked"},
		"never sooner":    {mail.TemplateQuotaFull, unset(mail.ArgOver), "until 6\u00a0December 2026", "grows to"},
		"no date":         {mail.TemplateQuotaFull, unset(mail.ArgStops), "Nothing is blocked", "2026"},
		"what counts":     {mail.TemplateQuotaFull, nil, "- Nuage: 33.5\u00a0GiB", "⟦"},
		"one service":     {mail.TemplateQuotaFull, unset(mail.ArgShares), "34.8\u00a0GiB of 40\u00a0GiB (86%)", "What counts"},
		"services":        {mail.TemplateQuotaStopped, nil, "https://jardins-cedre-pads", "⟦"},
		"no services":     {mail.TemplateQuotaStopped, unset(mail.ArgAddresses), "nothing can be added", "services concerned"},
		"close":           {mail.TemplateQuotaAllowed, nil, "below 95%", "⟦"},
		"well below":      {mail.TemplateQuotaAllowed, unset(mail.ArgBelow), "works normally", "little room"},
		"until":           {mail.TemplateQuotaLimit, nil, "until 30\u00a0June 2027", "further notice"},
		"for good":        {mail.TemplateQuotaLimit, unset(mail.ArgUntil), "until further notice", "2027"},
		"plan again":      {mail.TemplateQuotaLimit, set(mail.ArgPlan, "Standard"), "of your plan, “Standard”, again", "2027"},
		"no limit":        {mail.TemplateQuotaLimit, set(mail.ArgGauges, `[{"metric":"pads","used":1200,"limit":-1}]`), "Pads: 1,200, no limit", "[#"},
		"over":            {mail.TemplateQuotaStopped, set(mail.ArgGauges, `[{"metric":"polls","used":90,"limit":10}]`), "Polls: 90 of 10 (900%)\n[" + strings.Repeat("#", 40) + "]", "bin"},
		"objects":         {mail.TemplateQuotaStopped, set(mail.ArgGauges, `[{"metric":"polls","used":9,"limit":10}]`), "among your polls", "bin"},
		"accounts":        {mail.TemplateQuotaStopped, set(mail.ArgGauges, `[{"metric":"accounts","used":9,"limit":10}]`), "who have left", "bin"},
		"wish":            {mail.TemplateAskGranted, nil, "storage, 60\u00a0GiB in all", "restart"},
		"plan wished":     {mail.TemplateAskGranted, set(mail.ArgPlan, "Large"), "the plan “Large”", "in all"},
		"no answer":       {mail.TemplateAskGranted, unset(mail.ArgReason), "It is granted", ">"},
		"plan for staff":  {mail.TemplateStaffAsk, set(mail.ArgPlan, "Large"), "the plan “Large”", "in all"},
		"declined, a lot": {mail.TemplateAskDeclined, set(mail.ArgMetric, "accounts"), "accounts, 64,424,509,440 in all", "GiB"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sample(c.template, "en")
			if c.change != nil {
				c.change(&m)
			}
			got, err := r.Render(m)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(got.Text, "\n", " ")
			if !strings.Contains(text, strings.ReplaceAll(c.has, "\n", " ")) {
				t.Errorf("%q is missing:\n%s", c.has, got.Text)
			}
			if strings.Contains(text, c.not) {
				t.Errorf("%q is too much:\n%s", c.not, got.Text)
			}
		})
	}
}

func TestQuotaLettersThatCannotBeRendered(t *testing.T) {
	r := newRenderer(t)
	for name, c := range map[string]struct {
		template string
		change   func(*store.Mail)
		want     string
	}{
		"no gauges":       {mail.TemplateQuotaNotice, unset(mail.ArgGauges), `"gauges"`},
		"gauges, none":    {mail.TemplateQuotaStopped, set(mail.ArgGauges, "[]"), `"gauges" is empty`},
		"unknown metric":  {mail.TemplateQuotaFull, set(mail.ArgGauges, `[{"metric":"cats","used":1,"limit":2}]`), `the metric "cats"`},
		"shares, no JSON": {mail.TemplateQuotaFull, set(mail.ArgShares, "{"), `"shares"`},
		"no date":         {mail.TemplateQuotaFull, set(mail.ArgStops, "tomorrow"), `"stops"`},
		"no number":       {mail.TemplateQuotaNotice, set(mail.ArgGraceDays, "some"), `"grace_days"`},
		"no wish":         {mail.TemplateAskGranted, unset(mail.ArgMetric), `"metric" is missing`},
		"no reason":       {mail.TemplateAskDeclined, unset(mail.ArgReason), `"reason" is missing`},
		"no request":      {mail.TemplateQuotaStopped, func(m *store.Mail) { m.RequestID = "" }, "request's ID"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sample(c.template, "fr")
			c.change(&m)
			_, err := r.Render(m)
			var p *mail.Problem
			if !errors.As(err, &p) || p.Verdict != mail.Deferred || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func set(name, value string) func(*store.Mail) {
	return func(m *store.Mail) { m.Args[name] = value }
}

func unset(name string) func(*store.Mail) { return func(m *store.Mail) { delete(m.Args, name) } }

// TestDatesAreThoseOfTheHost: letters name the day that pages name, also where it is tomorrow already.
func TestDatesAreThoseOfTheHost(t *testing.T) {
	before := time.Local
	time.Local = time.FixedZone("CET", 3600)
	defer func() { time.Local = before }()
	m := sample(mail.TemplateQuotaFull, "en")
	set(mail.ArgStops, "2026-12-05T23:30:00Z")(&m)
	got, err := newRenderer(t).Render(m)
	if err != nil || !strings.Contains(got.Text, "until 6\u00a0December 2026") {
		t.Errorf("%v\n%s", err, got.Text)
	}
}
