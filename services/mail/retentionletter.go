package mail

import (
	"encoding/json"
	"fmt"

	"framagit.org/frama/frama/services/locale"
)

// retention tells of content that nobody changed for long, and how to keep it.
func (d *draft) retention() {
	metric := d.metric(d.arg(ArgMetric))
	days, hasDays := d.number(ArgUnusedDays)
	count, hasCount := d.number(ArgCount)
	day, hasDay := d.date(ArgUntil)
	for name, has := range map[string]bool{ArgUnusedDays: hasDays, ArgCount: hasCount, ArgUntil: hasDay} {
		if !has {
			d.fail(fmt.Errorf("argument %q is missing", name))
		}
	}
	d.subject("retention.subject", d.arg(ArgSlug), metric)
	d.paragraph("retention.rule", d.arg(ArgSlug))
	d.addresses()
	d.paragraph("retention.found", capital(metric), locale.Number(d.mail.Lang, int64(days)), locale.Number(d.mail.Lang, int64(count)))
	d.objects(count)
	d.paragraph("retention.when", day)
	d.paragraph("retention.keep")
	d.paragraph("retention.copy")
	d.link("retention.link", d.options.Links.Track)
	d.paragraph("quota.private")
}

// objects names some of what a mail is about. Names are the words of whoever can write there: one that a mail reader could
// take for a link is not among them.
func (d *draft) objects(count int) {
	var names, items []string
	if err := json.Unmarshal([]byte(d.mail.Args[ArgObjects]), &names); err != nil {
		d.fail(fmt.Errorf("argument %q: %w", ArgObjects, err))
		return
	}
	for _, name := range names {
		if name = linkless(oneLine(name)); name != "" {
			items = append(items, short(name))
		}
	}
	if len(items) > 0 {
		d.body.Blocks = append(d.body.Blocks, block{Items: items})
	}
	if others := count - len(items); others > 0 && len(items) > 0 {
		d.paragraph("retention.others", others)
	}
}
