package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"framagit.org/frama/frama/services/hosting"
)

// Plan is what a space may use, as the file says it now. What holds is the version that was applied last.
type Plan struct {
	ID         string
	Version    int // raised with each change, so that nobody applies another one than they looked at
	Accounts   int // people with an account, over all applications; 0 for no limit
	StorageMiB int // MiB, over all applications
	// Like names another plan whose sizes applications use for this one, so that a host can add a plan without
	// touching any application.
	Like string

	title, description Text
	limits             map[string]int // of objects, by metric
	thresholds         []hosting.Threshold
	retention          []hosting.RetentionRule
	place              Diagnostic
	retentionPlaces    []Diagnostic // of each rule
}

// Title is the plan's name for people.
func (p Plan) Title(lang string) string { return p.title.In(lang) }

// Description says whom the plan is for.
func (p Plan) Description(lang string) string { return p.description.In(lang) }

// Where is the place of the plan, as "file:line".
func (p Plan) Where() string { return fmt.Sprintf("%s:%d", p.place.Path, p.place.Line) }

// InForce is the plan as spaces are held to it once it is applied, with its rules by metric: to move a line in the file is no
// change. AppliedAt and AppliedBy are left empty.
func (p Plan) InForce() hosting.PlanVersion {
	limits := hosting.Limits{hosting.MetricStorage: int64(p.StorageMiB) << 20}
	if p.Accounts > 0 {
		limits[hosting.MetricAccounts] = int64(p.Accounts)
	}
	for metric, most := range p.limits {
		limits[metric] = int64(most)
	}
	rules := slices.SortedFunc(slices.Values(p.retention), func(a, b hosting.RetentionRule) int { return strings.Compare(a.Metric, b.Metric) })
	return hosting.PlanVersion{Plan: p.ID, Version: p.Version, Limits: limits, Thresholds: slices.Clone(p.thresholds), Retention: rules}
}

func parsePlans(text []byte, path string) ([]Plan, Diagnostics) {
	var diags Diagnostics
	r := open(text, path, "the plans", &diags)
	if r == nil {
		return nil, diags
	}
	plans := readPlanBlocks(r)
	r.done()
	return plans, diags
}

func readPlanBlocks(r *reader) (plans []Plan) {
	r.each("plan", true, func(label string, b *reader) {
		p := Plan{ID: label, place: b.here(b.where)}
		if !appName.MatchString(label) {
			b.diags.at(b.where, "%q cannot be a plan's name: use 2 to 20 lower-case letters, digits and hyphens", label)
		}
		b.one("title", func(t *reader) { p.title = t.translations(60) })
		b.one("description", func(t *reader) { p.description = t.translations(400) })
		p.Version = b.number("version", 1, 1_000_000, -1)
		p.Accounts = b.number("accounts", 0, 1_000_000, -1)
		p.StorageMiB = b.number("storage", 1, 1_000_000_000, -1)
		p.Like = b.optional("like", like(appName, "must be the name of a plan"))
		p.readLimits(b)
		p.readThresholds(b)
		p.readRetention(b)
		plans = append(plans, p)
	})
	return plans
}

// mergePlans replaces plans of the same name in their place and adds the others at the end.
func mergePlans(plans, later []Plan) []Plan {
	for _, p := range later {
		if i := slices.IndexFunc(plans, func(known Plan) bool { return known.ID == p.ID }); i >= 0 {
			plans[i] = p
		} else {
			plans = append(plans, p)
		}
	}
	return plans
}

// checkPlans compares what the applications say with the plans there are, once everything is loaded: each application
// needs a size in each plan.
func (c *Catalogue) checkPlans() Diagnostics {
	var diags Diagnostics
	ids := make([]string, len(c.plans))
	for i, p := range c.plans {
		ids[i] = p.ID
	}
	for _, p := range c.plans {
		if p.Like != "" && (p.Like == p.ID || !slices.Contains(ids, p.Like)) {
			d := p.place
			d.Message = "like names no other plan: " + p.Like + didYouMean(p.Like, ids)
			diags = append(diags, d)
		}
	}
	diags = append(diags, c.checkRetention()...)
	for i := range c.apps {
		app := &c.apps[i]
		if app.sizes == nil {
			continue // the manifest could not be read at all
		}
		for _, label := range slices.Sorted(maps.Keys(app.sizes)) {
			if !slices.Contains(ids, label) {
				d := app.sizePlaces[label]
				d.Message = "unknown plan " + label + didYouMean(label, ids)
				diags = append(diags, d)
			}
		}
		for _, p := range c.plans {
			if _, sized := app.sizes[p.ID]; sized {
				continue
			}
			if size, ok := app.sizes[p.Like]; ok {
				app.sizes[p.ID] = size
				continue
			}
			d := app.sizesAt
			d.Message = "no size for the plan " + p.ID + `: add plan "` + p.ID + `" { cpu = … memory = … disk = … }`
			diags = append(diags, d)
		}
	}
	return diags
}
