package control_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// opened brings a space's newest run to its end, as if a worker had done all its steps.
func (d *desk) opened(name string) control.SpaceView {
	d.t.Helper()
	ctx, v := context.Background(), d.space(name)
	c, ok, err := d.store.ClaimRun(ctx, "w", []string{v.Space.ID}, time.Minute)
	if err != nil || !ok {
		d.t.Fatalf("claim of %s: %v, %v", name, ok, err)
	}
	for _, s := range c.Run.Steps {
		err = errors.Join(err, d.store.FinishStep(ctx, c, s.Seq, ""))
	}
	err = errors.Join(err, d.store.FinishRun(ctx, c), d.store.Write(ctx, func(tx *store.Tx) error {
		for _, i := range v.Instances {
			if err := tx.VolumeSized(i.ID, i.Reserved.Disk); err != nil {
				return err
			}
		}
		if v.Space.State == hosting.SpaceActive {
			return nil
		}
		if _, err := tx.MoveSpace(v.Space.ID, hosting.SpaceProvisioning); err != nil {
			return err
		}
		_, err := tx.MoveSpace(v.Space.ID, hosting.SpaceActive)
		return err
	}))
	if err != nil {
		d.t.Fatal(err)
	}
	return d.space(name)
}

// measured says what is in the volume of a space's only instance.
func (d *desk) measured(v control.SpaceView, bytes int64) {
	d.t.Helper()
	err := d.store.Write(context.Background(), func(tx *store.Tx) error {
		if _, err := tx.AddMissingSeries(func(int) time.Time { return tx.Now }, 100); err != nil {
			return err
		}
		return tx.AddMeasurements([]hosting.Measurement{{InstanceID: v.Instances[0].ID, SpaceID: v.Space.ID, At: tx.Now,
			Readings: []hosting.Reading{{Metric: hosting.MetricVolumeBytes, Value: bytes}}}})
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestChangePlan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		d, clock := tight(t, dsn, 700)
		d.decide(d.ask("lilas", "starter"))
		d.opened("lilas")
		refused := func(plan, key string) {
			t.Helper()
			if _, err := d.ChangePlan(ctx, d.staff, "lilas", plan); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v, want %s", plan, err, key)
			}
		}
		refused("starter", "error.plan_same")
		refused("royal", "error.plan_unknown")
		if _, err := d.ChangePlan(ctx, hosting.Actor{Role: hosting.RoleReviewer}, "lilas", "large"); hosting.CodeOf(err) != hosting.Forbidden {
			t.Errorf("a reviewer: %v", err)
		}

		m, err := d.PreviewPlan(ctx, d.staff, "lilas", "large")
		if err != nil || !m.Fits || m.From != "starter" || m.Before.Memory != 128 || m.After != (hosting.Resources{CPU: 400, Memory: 512, MemoryMax: 512, Disk: 400}) {
			t.Errorf("preview: %+v, %v", m, err)
		}
		if !slices.ContainsFunc(m.Effects, func(e control.PlanEffect) bool { return e.Metric == hosting.MetricStorage && e.After > e.Before }) {
			t.Errorf("its limits: %+v", m.Effects)
		}
		s, err := d.ChangePlan(ctx, d.staff, "lilas", "large")
		if err != nil || s.Plan != "large" {
			t.Fatalf("%+v, %v", s, err)
		}
		v := d.space("lilas")
		if run := v.LastRun(); run.Kind != control.RunResize || len(run.Steps) != 5 || run.Steps[0].Name != "room" || v.Instances[0].Reserved.Memory != 512 ||
			v.Instances[0].Growth.VolumeMiB != 100 || v.Audit[0].Action != "space.plan" && v.Audit[len(v.Audit)-1].Action != "space.plan" {
			t.Errorf("%+v, %+v", v.Instances, v.LastRun())
		}
		// Who chose too large a plan goes back while the run waits, and not while a worker is at it.
		first := v.LastRun().ID
		for _, plan := range []string{"starter", "large"} {
			if _, err := d.ChangePlan(ctx, d.staff, "lilas", plan); err != nil {
				t.Fatal(err)
			}
			if v = d.space("lilas"); v.LastRun().ID != first || v.Space.Plan != plan || len(v.Runs) != 2 {
				t.Errorf("back to %s: %+v, %+v", plan, v.Space, v.Runs)
			}
		}
		c, ok, err := d.store.ClaimRun(ctx, "w", nil, time.Minute)
		if !ok || err != nil {
			t.Fatal(err)
		}
		refused("starter", "error.plan_busy")
		if err := d.store.DeferStep(ctx, c, 0, clock.Now(), "later", false); err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Second)
		v = d.opened("lilas")

		// What was promised to it is taken: a second of that size is refused.
		d.decide(d.ask("menthe", "starter"))
		if m, err := d.PreviewPlan(ctx, d.staff, "menthe", "large"); err != nil || m.Fits {
			t.Error("512 MiB twice in 700")
		}
		if _, err := d.ChangePlan(ctx, d.staff, "menthe", "large"); err == nil || !strings.Contains(err.Error(), "error.plan_no_room") {
			t.Errorf("without room: %v", err)
		}
		if got := d.cluster().Reserved.Memory; got != 512+128 {
			t.Errorf("%d MiB are reserved", got)
		}

		// Smaller: only what fits, and the disk stays promised until the volume is smaller.
		refused("starter", "error.plan_unmeasured")
		d.measured(v, 150<<20)
		refused("starter", "error.plan_disk")
		if _, err := d.ChangePlan(ctx, d.staff, "lilas", "standard"); err != nil {
			t.Fatal(err)
		}
		if got := d.cluster().Reserved; got.Memory != 256+128 || got.Disk != 400+100 {
			t.Errorf("reserved meanwhile: %+v", got)
		}
		clock.Advance(time.Second)
		d.opened("lilas")
		if got := d.cluster().Reserved; got.Disk != 200+100 {
			t.Errorf("reserved then: %+v", got)
		}
	})
}

// The run that provisions a space makes it so by itself, as long as nobody began it.
func TestChangePlanBeforeAnythingIsMade(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d, _ := tight(t, dsn, 1000)
		ctx := context.Background()
		d.decide(d.ask("lilas", "large"))
		if _, err := d.ChangePlan(ctx, d.staff, "lilas", "starter"); err != nil {
			t.Fatal(err)
		}
		v := d.space("lilas")
		if len(v.Runs) != 1 || v.LastRun().Kind != control.RunProvision || v.LastRun().State != work.RunReady || d.cluster().Reserved.Disk != 100 {
			t.Errorf("%+v, reserved %+v", v.Runs, d.cluster().Reserved)
		}
		if _, ok, err := d.store.ClaimRun(ctx, "w", nil, time.Minute); !ok || err != nil {
			t.Fatal(err)
		}
		if _, err := d.ChangePlan(ctx, d.staff, "lilas", "standard"); err == nil || !strings.Contains(err.Error(), "error.plan_busy") {
			t.Errorf("while a worker has it: %v", err)
		}
	})
}

func TestRegisterAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d, _ := tight(t, dsn, 700)
		ctx := context.Background()
		d.decide(d.ask("lilas", "starter"))
		if _, err := d.RegisterAgain(ctx, d.staff, "lilas"); hosting.CodeOf(err) != hosting.Conflict {
			t.Errorf("before it is open: %v", err)
		}
		d.opened("lilas")
		if _, err := d.RegisterAgain(ctx, hosting.Actor{Role: hosting.RoleReviewer}, "lilas"); hosting.CodeOf(err) != hosting.Forbidden {
			t.Errorf("a reviewer: %v", err)
		}
		for range 2 { // the run that waits begins anew
			if _, err := d.RegisterAgain(ctx, d.staff, "lilas"); err != nil {
				t.Fatal(err)
			}
		}
		v := d.space("lilas")
		if run := v.LastRun(); len(v.Runs) != 2 || run.Kind != control.RunResize || run.State != work.RunReady || v.Space.Plan != "starter" {
			t.Errorf("%+v", v.Runs)
		}
	})
}
