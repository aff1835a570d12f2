package catalogue

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// Bounds of a plan's durations. A year of grace is as good as no limit; what people left alone for a month is not stale.
const (
	longestGrace    = 365 * day
	shortestUnused  = 30 * day
	longestUnused   = 3650 * day
	shortestNotice  = 7 * day
	shortestWaiting = time.Hour
)

// ObjectMetrics lists what a plan can limit beside accounts and storage: the metrics that count what people make.
func ObjectMetrics() []string {
	return slices.DeleteFunc(Metrics(), func(m string) bool { return m == hosting.MetricAccounts || m == hosting.MetricBytes })
}

// readLimits reads how many objects of a kind there may be.
func (p *Plan) readLimits(r *reader) {
	p.limits = map[string]int{}
	r.each("limit", true, func(label string, b *reader) {
		switch label {
		case hosting.MetricAccounts, hosting.MetricStorage:
			b.diags.at(b.where, "write %s = … in the plan itself", label)
		case hosting.MetricBytes:
			b.diags.at(b.where, "bytes are limited by storage = …, in MiB")
		default:
			if problem := oneOf(ObjectMetrics()...).problem(label); problem != "" {
				b.diags.at(b.where, "a limit %s", problem)
			}
		}
		p.limits[label] = b.number("most", 1, 2_000_000_000, -1)
	})
}

// readThresholds reads what happens at which share of a limit. What the plan does not name stays as it is by default.
func (p *Plan) readThresholds(r *reader) {
	p.thresholds = hosting.DefaultThresholds()
	levels := make([]string, len(p.thresholds))
	for i, t := range p.thresholds {
		levels[i] = string(t.Level)
	}
	named := map[hosting.Level]*reader{}
	r.each("threshold", true, func(label string, b *reader) {
		if problem := oneOf(levels...).problem(label); problem != "" {
			b.diags.at(b.where, "a threshold %s", problem)
		}
		t := hosting.Threshold{Level: hosting.Level(label)}
		t.At = b.number("at", 1, 1000, -1)
		t.Stops = b.flag("stops", t.Level == hosting.LevelFull || t.Level == hosting.LevelOver)
		t.Grace = b.duration("grace", false, shortestWaiting, longestGrace)
		if stops, given := b.body.Attributes["stops"]; t.Stops && given && (t.Level == hosting.LevelNotice || t.Level == hosting.LevelWarning) {
			b.diags.at(stops.Expr.Range(), "%s only tells people: growth is stopped at full or over", label)
		}
		if grace, given := b.body.Attributes["grace"]; given && !t.Stops {
			b.diags.at(grace.NameRange, "grace has no meaning without stops = true")
		}
		if i := slices.Index(levels, label); i >= 0 && t.At > 0 {
			p.thresholds[i], named[t.Level] = t, b
		}
	})
	for i, t := range p.thresholds[1:] {
		below := p.thresholds[i]
		if t.At > below.At {
			continue
		}
		at, level, than := named[t.Level], t, "more than the "+inWords(below, named)
		if at == nil { // the default: the one that was written reaches up to it
			at, level, than = named[below.Level], below, "less than the "+inWords(t, named)
		}
		if attr, ok := at.body.Attributes["at"]; ok {
			at.diags.at(attr.Expr.Range(), "%s is reached at %d %%: it must be %s", level.Level, level.At, than)
		}
	}
}

// inWords names a threshold that another one is compared with.
func inWords(t hosting.Threshold, named map[hosting.Level]*reader) string {
	text := string(t.Level) + " (" + strconv.Itoa(t.At) + " %"
	if named[t.Level] == nil {
		text += " when the plan does not say"
	}
	return strings.TrimSpace(text) + ")"
}

// readRetention reads what content is removed when nobody touched it for long.
func (p *Plan) readRetention(r *reader) {
	r.each("retention", true, func(label string, b *reader) {
		rule := hosting.RetentionRule{Metric: label}
		known := true
		if problem := oneOf(ObjectMetrics()...).problem(label); problem != "" {
			b.diags.at(b.where, "a retention %s", problem)
			known = false
		}
		rule.Unused = b.duration("unused", true, shortestUnused, longestUnused)
		rule.Announce = b.duration("announce", true, shortestNotice, longestGrace)
		if announce, given := b.body.Attributes["announce"]; given && rule.Unused > 0 && rule.Announce >= rule.Unused {
			b.diags.at(announce.Expr.Range(), "announce must be shorter than unused (%s)", inDays(rule.Unused))
		}
		if known {
			p.retention = append(p.retention, rule)
			p.retentionPlaces = append(p.retentionPlaces, b.here(b.where))
		}
	})
}

// checkRetention sees, once everything is loaded, that some application can find, export and remove what plans let go stale.
func (c *Catalogue) checkRetention() Diagnostics {
	var diags Diagnostics
	can := c.retained()
	for _, p := range c.plans {
		for i, rule := range p.retention {
			if slices.Contains(can, rule.Metric) {
				continue
			}
			d := p.retentionPlaces[i]
			d.Message = "no application can remove " + rule.Metric + ": its manifest would need retain \"" + rule.Metric + "\" { … }"
			if len(can) > 0 {
				d.Message += "; there is one for " + strings.Join(can, ", ")
			}
			diags = append(diags, d)
		}
	}
	return diags
}

// retained lists the kinds of objects that some application can let go.
func (c *Catalogue) retained() []string {
	var can []string
	for _, app := range c.apps {
		for _, rule := range app.Run().Retain {
			can = append(can, rule.Metric)
		}
	}
	slices.Sort(can)
	return slices.Compact(can)
}
