package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/provisioner/measure"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/telemetry"
	"framagit.org/frama/frama/services/usage"
)

// How often limits are weighed without a new measurement, and how often history is packed: what is not due costs little.
const (
	reweighEvery = time.Minute
	rollUpEvery  = time.Hour
)

// keepUsage measures instances, holds spaces to their limits and packs history, until ctx ends. None of it ends frama when
// it fails: it is told, and tried again.
func (a *app) keepUsage(ctx context.Context, group *errgroup.Group, observed *telemetry.Telemetry) error {
	a.every(ctx, group, reweighEvery, "limits could not be weighed", func(ctx context.Context) error {
		_, err := a.control.Reweigh(ctx)
		return err
	})
	a.every(ctx, group, rollUpEvery, "the history of usage could not be packed", func(ctx context.Context) error {
		_, err := a.control.RollUp(ctx)
		return err
	})
	if a.config.Usage.Every == 0 {
		a.log.Warn("nothing is measured: usage.every is 0s")
		return nil
	}
	prober, err := a.prober()
	if err != nil {
		return err
	}
	sweeper := a.sweeper(prober)
	sweeper.Measure = func(ctx context.Context, i hosting.Instance) (hosting.Measurement, error) {
		begin := now()
		m, err := prober.Measure(ctx, i)
		observed.Measured(now().Sub(begin), m.Readings)
		return m, err
	}
	group.Go(func() error { return sweeper.Run(ctx) })
	return nil
}

// every does something at once and then again and again, until ctx ends.
func (a *app) every(ctx context.Context, group *errgroup.Group, pause time.Duration, failed string, do func(ctx context.Context) error) {
	group.Go(func() error {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn(failed, "error", err, "again", pause.String())
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	})
}

// prober looks at instances of the cluster.
func (a *app) prober() (*measure.Prober, error) {
	cluster, err := a.cluster()
	if err != nil {
		return nil, err
	}
	servers, err := a.config.backing()
	if err != nil {
		return nil, err
	}
	return measure.New(measure.Options{
		Cluster: cluster, Catalogue: a.catalogue, Servers: servers, URL: a.control.URL,
		Timeout: a.config.Usage.Timeout, Now: now,
	}), nil
}

// sweeper measures with the prober and hands over to control.
func (a *app) sweeper(p *measure.Prober) *usage.Sweeper {
	return &usage.Sweeper{
		Ledger: ledger{a.store}, Measure: p.Measure, Record: a.control.RecordUsage, Every: a.config.Usage.Every,
		// An instance is given three times the time of a probe, and the cluster once more to say what its secrets are.
		Within:      max(5*time.Minute, 5*a.config.Usage.Timeout),
		Concurrency: a.config.Usage.Concurrency, Now: now, Log: a.log,
	}
}

// ledger is the store's plan of who is measured when.
type ledger struct{ store *store.Store }

func (l ledger) AddMissing(ctx context.Context, first func(n int) time.Time, limit int) (added int, err error) {
	err = l.store.Write(ctx, func(tx *store.Tx) error {
		added, err = tx.AddMissingSeries(first, limit)
		return err
	})
	return added, err
}

func (l ledger) Claim(ctx context.Context, limit int, next func(usage.Due) time.Time) (claimed []usage.Due, err error) {
	// Who loses all of a page to another server looks at the next one.
	for len(claimed) == 0 {
		var due []store.DueInstance
		err = l.store.Read(ctx, func(tx *store.Tx) error {
			due, err = tx.DueInstances(limit)
			return err
		})
		if err != nil || len(due) == 0 {
			return nil, err
		}
		if claimed, err = l.take(ctx, due, next); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// take claims instances that are due, unless others were faster.
func (l ledger) take(ctx context.Context, due []store.DueInstance, next func(usage.Due) time.Time) (claimed []usage.Due, err error) {
	err = l.store.Write(ctx, func(tx *store.Tx) error {
		planned := map[int64]time.Time{}
		ours, err := tx.ClaimMeasurements(due, func(d store.DueInstance) time.Time {
			planned[d.Series] = next(usage.Due(d))
			return planned[d.Series]
		})
		claimed = claimed[:0]
		for _, d := range ours {
			d.NextAt = planned[d.Series]
			claimed = append(claimed, usage.Due(d))
		}
		return err
	})
	return claimed, err
}

func (l ledger) PutBack(ctx context.Context, due []usage.Due, at time.Time) error {
	put := make([]store.DueInstance, len(due))
	for n, d := range due {
		put[n] = store.DueInstance(d)
	}
	return l.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.ClaimMeasurements(put, func(store.DueInstance) time.Time { return at })
		return err
	})
}

// measureNow measures the active instances of spaces, of all where none is named, and records what was read.
func (a *app) measureNow(ctx context.Context, spaces []string) ([]measured, error) {
	all, err := a.measurable(ctx, spaces)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	prober, err := a.prober()
	if err != nil {
		return nil, err
	}
	looking, stopped := errgroup.WithContext(ctx)
	looking.SetLimit(a.config.Usage.Concurrency)
	found := make([]hosting.Measurement, len(all))
	for n := range all {
		looking.Go(func() (err error) {
			found[n], err = prober.Measure(stopped, all[n].Instance)
			all[n].Readings = found[n].Readings
			return err
		})
	}
	if err := looking.Wait(); err != nil {
		return nil, err
	}
	const together = 200
	for n := 0; n < len(found); n += together {
		if err := a.control.RecordUsage(ctx, found[n:min(n+together, len(found))]); err != nil {
			return nil, fmt.Errorf("record what was measured: %w", err)
		}
	}
	_, err = a.control.Reweigh(ctx)
	return all, err
}

// measurable lists the instances of active spaces: of those named by ID, slug or handle, or of all.
func (a *app) measurable(ctx context.Context, names []string) (all []measured, err error) {
	err = a.store.Read(ctx, func(tx *store.Tx) error {
		all = all[:0]
		spaces := map[string]hosting.Space{}
		add := func(instances []hosting.Instance) error {
			for _, i := range instances {
				s, known := spaces[i.SpaceID]
				if !known {
					if s, err = tx.Space(i.SpaceID); err != nil {
						return err
					}
					spaces[s.ID] = s
				}
				all = append(all, measured{Space: s.Handle, Instance: i})
			}
			return nil
		}
		if len(names) > 0 {
			return named(tx, names, add)
		}
		const page = 1000
		for last := ""; ; {
			instances, err := tx.ActiveInstances(last, page)
			if err != nil || len(instances) == 0 {
				return err
			}
			last = instances[len(instances)-1].ID
			if err := add(instances); err != nil {
				return err
			}
		}
	})
	return all, err
}

// named adds the instances of the spaces of these names, which must be active.
func named(tx *store.Tx, names []string, add func([]hosting.Instance) error) error {
	for _, name := range names {
		s, err := tx.SpaceNamed(name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("there is no space %q: frama space list shows those there are", name)
		case err != nil:
			return err
		case s.State != hosting.SpaceActive:
			return fmt.Errorf("the space %s is %s: only what is active can be measured (frama provision)", name, s.State)
		}
		instances, err := tx.Instances(s.ID)
		if err != nil {
			return err
		}
		if err := add(instances); err != nil {
			return err
		}
	}
	return nil
}
