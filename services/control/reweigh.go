package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"framagit.org/frama/frama/services/store"
)

// reweighedSetting keeps with what all spaces were weighed last.
const reweighedSetting = "quota_weighed"

// reweighed is with which versions of the plans all spaces were weighed last, and when.
type reweighed struct {
	At    time.Time      `json:"at"`
	Plans map[string]int `json:"plans"`
}

// weighedEvery is how often all spaces are weighed though nothing calls for it, so that whatever went wrong mends itself.
const weighedEvery = 24 * time.Hour

// Reweigh weighs the spaces that are due though nothing of them was measured: whose exception ran out, whose days of grace
// did, or all of them after a plan was applied and once a day. It returns how many spaces' levels changed.
func (c *Control) Reweigh(ctx context.Context) (changed int, err error) {
	var last, now reweighed
	var due []string
	err = c.store.Read(ctx, func(tx *store.Tx) error {
		if last, err = lastReweighed(tx); err != nil {
			return err
		}
		if now, err = c.reweighing(tx); err != nil {
			return err
		}
		due, err = tx.SpacesToWeigh()
		return err
	})
	if err != nil {
		return 0, failure(err)
	}
	if maps.Equal(last.Plans, now.Plans) && now.At.Sub(last.At) < weighedEvery {
		for ids := range slices.Chunk(due, spacesAtOnce) {
			n, err := c.reweigh(ctx, ids)
			if changed += n; err != nil {
				return changed, err
			}
		}
		return changed, nil
	}
	return c.reweighAll(ctx, now)
}

// reweighAll weighs every space, then notes with what.
func (c *Control) reweighAll(ctx context.Context, with reweighed) (changed int, err error) {
	for after := ""; ; {
		var ids []string
		err := c.store.Read(ctx, func(tx *store.Tx) (err error) {
			ids, err = tx.SpacesAfter(after, spacesAtOnce)
			return err
		})
		if err != nil {
			return changed, failure(err)
		}
		if len(ids) == 0 {
			break
		}
		after = ids[len(ids)-1]
		n, err := c.reweigh(ctx, ids)
		if changed += n; err != nil {
			return changed, err
		}
	}
	text, err := json.Marshal(with)
	if err != nil {
		return changed, fmt.Errorf("note with what spaces were weighed: %w", err)
	}
	return changed, failure(c.store.Write(ctx, func(tx *store.Tx) error { return tx.SetSetting(reweighedSetting, string(text)) }))
}

func (c *Control) reweigh(ctx context.Context, ids []string) (changed int, err error) {
	err = c.store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.TakeSpaces(ids); err != nil {
			return err
		}
		changed, err = c.weigh(tx, ids)
		return err
	})
	return changed, failure(err)
}

func lastReweighed(tx *store.Tx) (r reweighed, err error) {
	text, err := tx.Setting(reweighedSetting)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return r, nil
	case err != nil:
		return r, err
	}
	if json.Unmarshal([]byte(text), &r) != nil {
		return reweighed{}, nil // whatever it is, all are weighed again
	}
	return r, nil
}

// reweighing is with what all spaces would be weighed now.
func (c *Control) reweighing(tx *store.Tx) (reweighed, error) {
	plans, err := c.plans(tx)
	if err == nil {
		c.inForce.Store(&plans)
	}
	r := reweighed{At: tx.Now, Plans: map[string]int{}}
	for id, v := range plans {
		r.Plans[id] = v.Version
	}
	return r, err
}
