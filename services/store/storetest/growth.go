package storetest

import (
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// opened stores a space that is active.
func opened(b bundle, slug string) hosting.Space {
	b.Helper()
	s := AddSpace(b, b.store, slug)
	for _, to := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
		b.write(func(tx *store.Tx) error { _, err := tx.MoveSpace(s.ID, to); return err })
	}
	return s
}

func ids(all []hosting.Instance) (out []string) {
	for _, i := range all {
		out = append(out, i.ID)
	}
	return out
}

func growth(b bundle) {
	s := opened(b, "amis")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	early := AddInstance(b, b.store, AddSpace(b, b.store, "autres"), "pads", "etherpad")
	stop := func(i hosting.Instance, stopped bool) {
		b.write(func(tx *store.Tx) error { return tx.SetStopped(i.ID, stopped) })
	}
	settle := func(i hosting.Instance, as, problem string) {
		b.write(func(tx *store.Tx) error { return tx.GrowthSettled(i.ID, as, problem) })
	}
	left := func(after string, limit int) []string {
		return ids(read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.InstancesToSettle(after, limit) }))
	}
	of := func(i hosting.Instance) hosting.Growth {
		return read(b, func(tx *store.Tx) (hosting.Instance, error) { return tx.Instance(i.ID) }).Growth
	}
	same(b, "nothing is to be done", left("", 10), nil)

	for _, i := range []hosting.Instance{pads, calcs, early} {
		stop(i, true)
	}
	same(b, "of spaces that are open", left("", 10), []string{pads.ID, calcs.ID})
	same(b, "a page", left("", 1), []string{pads.ID})
	same(b, "the page after", left(pads.ID, 1), []string{calcs.ID})

	settle(pads, "app-create", "is being done")
	same(b, "what is left of one that is begun", left("", 10), []string{pads.ID, calcs.ID})
	settle(pads, "app-create", "")
	settle(calcs, hosting.GrowthAtIngress, "")
	same(b, "once it is done", left("", 10), nil)
	same(b, "growth", of(pads), hosting.Growth{Stopped: true, As: "app-create"})
	stop(pads, true)
	same(b, "stopped twice", left("", 10), nil)

	stop(pads, false)
	same(b, "allowed again", left("", 10), []string{pads.ID})
	settle(pads, "", "it does not answer")
	same(b, "not quite", of(pads), hosting.Growth{Problem: "it does not answer"})
	same(b, "tried again", left("", 10), []string{pads.ID})
	settle(pads, "", "")
	same(b, "as before", left("", 10), nil)
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.SetStopped("nobody", true) })
	b.refused(store.ErrNotFound, func(tx *store.Tx) error { return tx.GrowthSettled("nobody", "", "") })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.ToldLimit("nobody", "") })
}

// growthAtEdges sees that ingress agents are told when reading only begins and ends, and at no other time.
func growthAtEdges(b bundle) {
	s := opened(b, "amis")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	b.write(func(tx *store.Tx) error { return tx.Route(pads.ID, "192.0.2.1:2") })
	version := func() int64 { return read(b, (*store.Tx).EdgeVersion) }
	for _, step := range []struct {
		i           hosting.Instance
		as, problem string
		tells       int64
	}{
		{pads, "app-create", "is being done", 0}, {pads, "app-create", "", 0}, {pads, hosting.GrowthAtIngress, "it does not start", 1},
		{pads, hosting.GrowthAtIngress, "it does not start", 0}, {pads, hosting.GrowthAtIngress, "", 0}, {pads, "", "", 1}, {pads, "", "", 0},
		{calcs, hosting.GrowthAtIngress, "", 0}, {calcs, "", "", 0}, // no edge serves it
		{pads, hosting.GrowthAtIngress, "", 1},
	} {
		before := version()
		b.write(func(tx *store.Tx) error { return tx.GrowthSettled(step.i.ID, step.as, step.problem) })
		if got := version() - before; got != step.tells {
			b.Errorf("%s %q %q: the edges were told %d times, want %d", step.i.Kind, step.as, step.problem, got, step.tells)
		}
	}
	same(b, "routes", read(b, (*store.Tx).EdgeRoutes), []store.EdgeRoute{
		{Host: pads.Host, Address: "192.0.2.1:2", App: "etherpad", Space: hosting.SpaceActive, ReadOnly: true},
	})
}

func growthTold(b bundle) {
	s, other, early := opened(b, "amis"), opened(b, "autres"), AddSpace(b, b.store, "tôt")
	cloud := AddInstance(b, b.store, s, "cloud", "nextcloud")
	pads := AddInstance(b, b.store, s, "pads", "etherpad")
	unweighed := AddInstance(b, b.store, other, "cloud", "nextcloud")
	AddInstance(b, b.store, early, "cloud", "nextcloud")
	limits := func(space hosting.Space, metric string, most int64) {
		b.write(func(tx *store.Tx) error {
			return tx.SaveQuotas([]hosting.Quota{{SpaceID: space.ID, Metric: metric, Limit: most, Level: hosting.LevelOK, Told: hosting.LevelOK}})
		})
	}
	left := func(after string) []string {
		return ids(read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.InstancesOfApp("nextcloud", after, 10) }))
	}
	same(b, "nobody was weighed", left(""), nil)
	limits(early, hosting.MetricStorage, 5)
	limits(s, hosting.MetricStorage, 40<<30)
	limits(s, "pads", 7)
	same(b, "one was weighed", left(""), []string{cloud.ID})
	limits(other, hosting.MetricAccounts, 1)
	same(b, "both were", left(""), []string{cloud.ID, unweighed.ID})
	same(b, "the page after", left(cloud.ID), []string{unweighed.ID})
	b.write(func(tx *store.Tx) error { return tx.ToldLimit(cloud.ID, "42949672960/50") })
	same(b, "told", read(b, func(tx *store.Tx) (hosting.Instance, error) { return tx.Instance(cloud.ID) }).Growth.ToldLimit, "42949672960/50")

	stopped := func(after string) []string {
		return ids(read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.StoppedInstances(after, 10) }))
	}
	for _, i := range []hosting.Instance{cloud, pads} {
		b.write(func(tx *store.Tx) error { return tx.SetStopped(i.ID, true) })
	}
	same(b, "stopped", stopped(""), []string{cloud.ID, pads.ID})
	same(b, "the page after", stopped(cloud.ID), []string{pads.ID})
}
