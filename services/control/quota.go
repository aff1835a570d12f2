package control

import (
	"context"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// QuotaFilter narrows the list of quotas.
type QuotaFilter struct {
	Order string // QuotaNear (the default), QuotaGrowth or QuotaUnused
	Level hosting.Level
	// Metric narrows to one metric; QuotaGrowth is by storage when it is empty.
	Metric string
	Text   string // in name, slug or address
	Page   int
	Size   int
}

// Orders of the list of quotas.
const (
	QuotaNear   = "near"   // nearest to their limit, or farthest over it, first
	QuotaGrowth = "growth" // fastest growing first
	QuotaUnused = "unused" // spaces that nobody used for a year
)

// year is how long a space is left alone before it is listed as unused.
const year = 365 * 24 * time.Hour

// QuotaPage is a page of the list.
type QuotaPage struct {
	Page
	Rows   []QuotaRow
	Counts map[hosting.Level]int // of spaces, by their highest level
}

// QuotaRow is a space with one of its quotas.
type QuotaRow struct {
	Space    hosting.Space
	Quota    hosting.Quota
	ActiveAt time.Time // when people last used the space; zero for unknown
	Problems int       // instances of which something could not be measured
}

// Quotas returns a page of quotas, in the order of the filter. A space comes once for each metric; unused ones come once, with
// their storage.
func (c *Control) Quotas(ctx context.Context, actor hosting.Actor, f QuotaFilter) (p QuotaPage, err error) {
	if err := allow(actor, hosting.RoleReviewer); err != nil {
		return p, err
	}
	p.Page = page(f.Page, f.Size)
	q := store.QuotaQuery{ByGrowth: f.Order == QuotaGrowth, Level: f.Level, Metric: f.Metric, Text: f.Text}
	if q.ByGrowth && q.Metric == "" {
		q.Metric = hosting.MetricStorage
	}
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		if p.Counts, err = tx.QuotaLevels(q); err != nil {
			return err
		}
		var rows []hosting.Quota
		if f.Order == QuotaUnused {
			rows, p.Total, err = unused(tx, f, p.Page)
		} else {
			rows, p.Total, err = tx.Quotas(q, p.offset(), p.Size)
		}
		if err != nil {
			return err
		}
		p.Rows, err = quotaRows(tx, rows)
		return err
	})
	return p, failure(err)
}

// unused returns the storage of spaces that nobody used for a year, as if nothing were kept there where nobody measured it.
func unused(tx *store.Tx, f QuotaFilter, p Page) ([]hosting.Quota, int, error) {
	ids, total, err := tx.UnusedSpaces(f.Text, tx.Now.Add(-year), p.offset(), p.Size)
	if err != nil {
		return nil, 0, err
	}
	known, err := tx.QuotasOf(ids)
	rows := make([]hosting.Quota, len(ids))
	for i, id := range ids {
		rows[i] = hosting.Quota{SpaceID: id, Metric: hosting.MetricStorage, Limit: hosting.Unlimited, Level: hosting.LevelOK, MonthAgo: -1}
		for _, q := range known[id] {
			if q.Metric == hosting.MetricStorage {
				rows[i] = q
			}
		}
	}
	return rows, total, err
}

// quotaRows adds to quotas what the list says of their spaces.
func quotaRows(tx *store.Tx, quotas []hosting.Quota) ([]QuotaRow, error) {
	var ids []string
	for _, q := range quotas {
		ids = append(ids, q.SpaceID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	spaces, err := tx.SpacesOf(ids)
	if err != nil {
		return nil, err
	}
	series, err := tx.SeriesOf(ids)
	if err != nil {
		return nil, err
	}
	usage, err := tx.UsageNowOf(ids)
	if err != nil {
		return nil, err
	}
	byID := map[string]hosting.Space{}
	for _, s := range spaces {
		byID[s.ID] = s
	}
	var rows []QuotaRow
	for _, q := range quotas {
		space, there := byID[q.SpaceID]
		if !there {
			continue // withdrawn since
		}
		row := QuotaRow{Space: space, Quota: q}
		for _, s := range series[q.SpaceID] {
			row.ActiveAt = later(row.ActiveAt, s.ActiveAt)
			if s.Failures > 0 || slices.ContainsFunc(usage[q.SpaceID], func(u hosting.UsageNow) bool { return u.InstanceID == s.InstanceID && u.Problem != "" }) {
				row.Problems++
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
