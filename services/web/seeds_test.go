package web_test

import (
	"context"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// opened is a space that people use.
type opened struct {
	hosting.Space
	Request   hosting.Request
	Instances []hosting.Instance
	track     string // address of its private page
}

// open makes a request of that name, approves it and opens the space, as the worker would.
func (b *bench) opened(slug, name string) opened {
	b.t.Helper()
	o := b.approved(slug, name)
	must(b.t, b.store.Write(b.t.Context(), func(tx *store.Tx) error {
		for _, state := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
			if _, err := tx.MoveSpace(o.ID, state); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := b.raw.Exec("UPDATE run SET state = 'done' WHERE space_id = ?", o.ID)
	must(b.t, err)
	return o
}

// approved makes a request of that name and approves it: nothing was installed for it yet.
func (b *bench) approved(slug, name string) (o opened) {
	b.t.Helper()
	s := submission()
	s.Slug, s.Association.Name = slug, name
	q, err := b.control.Submit(context.Background(), hosting.Actor{Name: "public"}, s)
	must(b.t, err)
	_, err = b.control.Confirm(context.Background(), hosting.Actor{Name: "public"}, b.links.ConfirmToken(q.ID))
	must(b.t, err)
	approval, err := b.control.Approve(context.Background(), b.admin(), q.ID)
	must(b.t, err)
	if approval.Waiting {
		b.t.Fatalf("%s waits for room", slug)
	}
	o.Request, o.Space, o.track = q, approval.Space, "/track/"+b.links.TrackToken(q.ID)
	must(b.t, b.store.Read(b.t.Context(), func(tx *store.Tx) error {
		o.Instances, err = tx.Instances(o.ID)
		return err
	}))
	return o
}

// measure notes that the space uses that much now: bytes in all, people, and objects in its first application.
func (b *bench) measure(o opened, bytes, people, objects int64) {
	b.t.Helper()
	must(b.t, b.control.RecordUsage(context.Background(), []hosting.Measurement{b.measurement(o, bytes, people, objects)}))
}

func (b *bench) measurement(o opened, bytes, people, objects int64) hosting.Measurement {
	return hosting.Measurement{
		InstanceID: o.Instances[0].ID, SpaceID: o.ID, At: b.clock.Now(), ActiveAt: b.clock.Now().Add(-time.Hour),
		Readings: []hosting.Reading{
			{Metric: hosting.MetricVolumeBytes, Value: bytes / 4 * 3}, {Metric: hosting.MetricDatabaseBytes, Value: bytes - bytes/4*3},
			{Metric: hosting.MetricAccounts, Value: people}, {Metric: "pads", Value: objects},
		},
	}
}

// cluster notes what the cluster has, with that part of it used.
func (b *bench) cluster(all, used hosting.Resources) {
	b.t.Helper()
	must(b.t, b.control.ObserveCluster(context.Background(), hosting.Capacity{Cluster: "main", Nodes: 3, Allocatable: all, Used: used, SeenAt: b.clock.Now()}))
}
