package store

import (
	"fmt"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// QuotaQuery narrows and orders the list of quotas. Zero values do not narrow.
type QuotaQuery struct {
	ByGrowth bool // else the nearest to their limit come first
	Level    hosting.Level
	Metric   string
	Text     string // in the space's name, slug or address
}

// Quotas returns a page of the quotas that match, and how many match in all.
func (tx *Tx) Quotas(q QuotaQuery, offset, limit int) ([]hosting.Quota, int, error) {
	w := quotaWhere(q)
	total, err := one(tx, value[int], `SELECT COUNT(*) FROM quota `+w.sql(), w.args...)
	if err != nil {
		return nil, 0, err
	}
	order := "permille DESC, space_id DESC, metric DESC"
	if q.ByGrowth {
		order = "growth DESC, space_id DESC, metric DESC"
	}
	page, err := many(tx, scanQuota, fmt.Sprintf(`SELECT `+quotaColumns+` FROM quota %s ORDER BY %s LIMIT %d OFFSET %d`,
		w.sql(), order, limit, offset), w.args...)
	return page, total, err
}

func quotaWhere(q QuotaQuery) where {
	w := where{}
	if q.Metric != "" {
		w.add("metric = $%d", q.Metric)
	}
	if q.Level != "" {
		w.add("level = $%d", q.Level)
	}
	named := where{args: w.args}
	named.search(q.Text)
	if len(named.parts) > 0 {
		w.args = named.args
		w.parts = append(w.parts, "space_id IN (SELECT id FROM space "+named.sql()+")")
	}
	return w
}

// QuotaLevels says how many spaces there are by their highest level, of those that match but for the level.
func (tx *Tx) QuotaLevels(q QuotaQuery) (map[hosting.Level]int, error) {
	q.Level = ""
	w := quotaWhere(q)
	type count struct{ rank, spaces int }
	rank := "CASE level"
	for _, l := range hosting.Levels() {
		rank += fmt.Sprintf(" WHEN '%s' THEN %d", l, l.Rank())
	}
	counts, err := many(tx, func(r row) (c count, err error) { err = r.Scan(&c.rank, &c.spaces); return },
		`SELECT highest, COUNT(*) FROM (SELECT MAX(`+rank+` ELSE 0 END) AS highest FROM quota `+w.sql()+` GROUP BY space_id) s
		GROUP BY highest`, w.args...)
	levels := map[hosting.Level]int{}
	for _, c := range counts {
		levels[hosting.Levels()[c.rank]] += c.spaces
	}
	return levels, err
}

// UnusedSpaces returns a page of associations' spaces that were open and used, and that nobody used since: the longest
// unused first. How many there are in all comes with it.
func (tx *Tx) UnusedSpaces(text string, since time.Time, offset, limit int) ([]string, int, error) {
	w := where{}
	w.add("last < $%d", micros(since))
	w.add("activated_at < $%d", micros(since))
	w.search(text)
	// The series that were used last before that time are few; only of their spaces is it asked whether another one was
	// used since.
	from := `FROM (SELECT i.space_id AS space, MAX(a.active_at) AS last FROM instance i JOIN usage_series a ON a.instance_id = i.id
			WHERE i.space_id IN (SELECT o.space_id FROM usage_series u JOIN instance o ON o.id = u.instance_id
				WHERE u.active_at > 0 AND u.active_at < $1) GROUP BY i.space_id) unused
		JOIN space ON id = space AND state = 'active' AND shared = 0 ` + w.sql()
	total, err := one(tx, value[int], `SELECT COUNT(*) `+from, w.args...)
	if err != nil {
		return nil, 0, err
	}
	page, err := many(tx, value[string], fmt.Sprintf(`SELECT id %s ORDER BY last, id LIMIT %d OFFSET %d`, from, limit, offset), w.args...)
	return page, total, err
}
