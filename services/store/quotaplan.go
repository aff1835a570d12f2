package store

import (
	"encoding/json"
	"fmt"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

// keptThreshold and keptRule are how a plan's rules are kept: durations in seconds, names that do not change with the code.
type keptThreshold struct {
	Level string `json:"level"`
	At    int    `json:"at"`
	Stops bool   `json:"stops"`
	Grace int64  `json:"grace"`
}

type keptRule struct {
	Metric   string `json:"metric"`
	Unused   int64  `json:"unused"`
	Announce int64  `json:"announce"`
}

const planColumns = `plan, version, limits, thresholds, retention, applied_at, applied_by`

func scanPlan(r row) (hosting.PlanVersion, error) {
	var v hosting.PlanVersion
	var limits, thresholds, retention string
	var applied int64
	if err := r.Scan(&v.Plan, &v.Version, &limits, &thresholds, &retention, &applied, &v.AppliedBy); err != nil {
		return v, err
	}
	v.AppliedAt = instant(applied)
	var levels []keptThreshold
	var rules []keptRule
	for _, part := range []struct {
		text string
		into any
	}{{limits, &v.Limits}, {thresholds, &levels}, {retention, &rules}} {
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			return v, fmt.Errorf("version %d of the plan %s: %w", v.Version, v.Plan, err)
		}
	}
	for _, l := range levels {
		v.Thresholds = append(v.Thresholds, hosting.Threshold{
			Level: hosting.Level(l.Level), At: l.At, Stops: l.Stops, Grace: time.Duration(l.Grace) * time.Second})
	}
	for _, k := range rules {
		v.Retention = append(v.Retention, hosting.RetentionRule{
			Metric: k.Metric, Unused: time.Duration(k.Unused) * time.Second, Announce: time.Duration(k.Announce) * time.Second})
	}
	return v, nil
}

// InsertPlanVersion puts a version of a plan in force; ErrTaken when it is or was already.
func (tx *Tx) InsertPlanVersion(v hosting.PlanVersion) error {
	levels, rules := []keptThreshold{}, []keptRule{}
	for _, t := range v.Thresholds {
		levels = append(levels, keptThreshold{string(t.Level), t.At, t.Stops, int64(t.Grace / time.Second)})
	}
	for _, r := range v.Retention {
		rules = append(rules, keptRule{r.Metric, int64(r.Unused / time.Second), int64(r.Announce / time.Second)})
	}
	if v.Limits == nil {
		v.Limits = hosting.Limits{}
	}
	var texts [3]string
	for i, part := range []any{v.Limits, levels, rules} {
		text, err := json.Marshal(part)
		if err != nil {
			return fmt.Errorf("encode the plan %s: %w", v.Plan, err)
		}
		texts[i] = string(text)
	}
	_, err := tx.exec(`INSERT INTO plan_version (`+planColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		v.Plan, v.Version, texts[0], texts[1], texts[2], micros(v.AppliedAt), v.AppliedBy)
	return err
}

// PlansInForce returns the newest version that was applied of each plan.
func (tx *Tx) PlansInForce() (map[string]hosting.PlanVersion, error) {
	all, err := many(tx, scanPlan, `SELECT `+planColumns+` FROM plan_version v
		WHERE version = (SELECT MAX(version) FROM plan_version WHERE plan = v.plan)`)
	plans := map[string]hosting.PlanVersion{}
	for _, v := range all {
		plans[v.Plan] = v
	}
	return plans, err
}

// SpacesWithPlan returns the IDs of the spaces that have a plan, but for those that were withdrawn, after the given one.
// The host's own are left out: no plan limits them.
func (tx *Tx) SpacesWithPlan(plan, after string, limit int) ([]string, error) {
	return many(tx, value[string], `SELECT id FROM space WHERE plan = $1 AND id > $2 AND shared = 0 AND state <> 'withdrawn'
		ORDER BY id LIMIT $3`, plan, after, limit)
}
