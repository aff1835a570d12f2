package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

func capacity(b bundle) {
	missing(b, func(tx *store.Tx) (hosting.Capacity, error) { return tx.Capacity("main") })
	// A promise may come before anybody looked.
	b.write(func(tx *store.Tx) error { return tx.TakeTurn("main") })
	same(b, "nothing is known", read(b, func(tx *store.Tx) (hosting.Capacity, error) { return tx.Capacity("main") }), hosting.Capacity{Cluster: "main"})

	first := hosting.Capacity{Cluster: "main", Nodes: 3, Allocatable: hosting.Resources{CPU: 9000, Memory: 8000, Disk: 70_000},
		Used: hosting.Resources{CPU: 600, Memory: 500, Disk: 400}, Foreign: hosting.Resources{CPU: 30, Memory: 20, Disk: 10}, SeenAt: b.now()}
	save := func(c hosting.Capacity) { b.write(func(tx *store.Tx) error { return tx.SaveCapacity(c) }) }
	save(first)
	b.write(func(tx *store.Tx) error { return tx.TakeTurn("main") })
	same(b, "what was seen", read(b, func(tx *store.Tx) (hosting.Capacity, error) { return tx.Capacity("main") }), first)
	older, newer := first, first
	older.Nodes, older.SeenAt = 1, first.SeenAt.Add(-time.Second)
	newer.Nodes, newer.SeenAt = 2, first.SeenAt.Add(time.Second)
	save(newer)
	save(older) // of two who look, the one that looked earlier may write later
	other := hosting.Capacity{Cluster: "a", Nodes: 1, SeenAt: b.now()}
	save(other)
	same(b, "clusters by name", read(b, (*store.Tx).Capacities), []hosting.Capacity{other, newer})

	day := func(n int) hosting.CapacityDay {
		return hosting.CapacityDay{Cluster: "main", Day: time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC), Promisable: hosting.Resources{CPU: 1, Memory: 2, Disk: 3},
			Reserved: hosting.Resources{CPU: 4, Memory: 5, Disk: 6}, Used: hosting.Resources{CPU: 7, Memory: 8, Disk: 9}, StorageUsed: 1 << 50, Spaces: n}
	}
	again := day(2)
	again.Spaces = 20
	for _, d := range []hosting.CapacityDay{day(3), day(1), day(2), again, {Cluster: "a", Day: day(2).Day}} {
		b.write(func(tx *store.Tx) error { return tx.SaveCapacityDay(d) })
	}
	same(b, "days from the second on", read(b, func(tx *store.Tx) ([]hosting.CapacityDay, error) { return tx.CapacityDays("main", day(2).Day) }),
		[]hosting.CapacityDay{again, day(3)})
}

func reserved(b bundle) {
	one := hosting.Resources{CPU: 100, Memory: 128, MemoryMax: 256, Disk: 512}
	times := func(n int) hosting.Resources {
		return hosting.Resources{CPU: n * one.CPU, Memory: n * one.Memory, MemoryMax: n * one.MemoryMax, Disk: n * one.Disk}
	}
	check := func(cluster string, want hosting.Resources) {
		b.Helper()
		same(b, "reserved on "+cluster, read(b, func(tx *store.Tx) (hosting.Resources, error) { return tx.Reserved(cluster) }), want)
	}
	check("main", hosting.Resources{})
	s, nowhere, elsewhere := AddSpace(b, b.store, "amis"), AddSpace(b, b.store, "partout"), AddSpace(b, b.store, "loin")
	commons, shared := AddCommons(b, b.store, "lists", "sympa")
	var placed []hosting.Instance
	for _, app := range []string{"etherpad", "ethercalc"} {
		placed = append(placed, AddInstance(b, b.store, s, app, app))
	}
	AddInstance(b, b.store, nowhere, "pads", "etherpad")
	AddInstance(b, b.store, elsewhere, "pads", "etherpad")
	for id, cluster := range map[string]string{s.ID: "main", commons.ID: "main", elsewhere.ID: "far"} {
		b.write(func(tx *store.Tx) error { return tx.SetCluster(id, cluster) })
	}
	check("main", times(4)) // its own three, and the one that may come to any cluster
	check("far", times(2))
	same(b, "spaces of associations", read(b, func(tx *store.Tx) (int, error) { return tx.SpacesOn("main") }), 2)
	same(b, "jobs", read(b, func(tx *store.Tx) (map[string]bool, error) { return tx.ReservingJobs("main") }),
		map[string]bool{"amis-etherpad": true, "amis-ethercalc": true, "partout-etherpad": true, "commons-sympa-sympa": true})

	// On nodes everything that is placed counts, whatever became of its job.
	for n, i := range append(placed, shared) {
		b.write(func(tx *store.Tx) error { return tx.PlaceInstance(i.ID, []string{"n1", "n1", "n2"}[n], 20000+n) })
	}
	b.write(func(tx *store.Tx) error { return tx.InstanceRegistered(placed[0].ID, "1") })
	on := func() map[string]hosting.Resources {
		return read(b, func(tx *store.Tx) (map[string]hosting.Resources, error) { return tx.ReservedOn("main") })
	}
	same(b, "on nodes", on(), map[string]hosting.Resources{"n1": {CPU: 200, Memory: 256, Disk: 1024}, "n2": {CPU: 100, Memory: 128, Disk: 512}})

	// A volume that is to become smaller counts in full until it is.
	small := hosting.Resources{CPU: 50, Memory: 64, Disk: 100}
	b.write(func(tx *store.Tx) error { return tx.Resize(placed[0].ID, small, 512) })
	check("main", hosting.Resources{CPU: 350, Memory: 448, MemoryMax: 832, Disk: 2048})
	same(b, "on n1", on()["n1"], hosting.Resources{CPU: 150, Memory: 192, Disk: 1024})
	got := read(b, func(tx *store.Tx) (hosting.Instance, error) { return tx.Instance(placed[0].ID) })
	same(b, "its size", got.Reserved, small)
	b.write(func(tx *store.Tx) error { return tx.VolumeSized(placed[0].ID, 100) })
	check("main", hosting.Resources{CPU: 350, Memory: 448, MemoryMax: 832, Disk: 1636})
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.Resize("nobody", small, 0) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.VolumeSized("nobody", 1) })

	// What ends holds nothing.
	b.write(func(tx *store.Tx) error { return tx.WithdrawInstance(shared.ID) })
	check("main", hosting.Resources{CPU: 250, Memory: 320, MemoryMax: 576, Disk: 1124})
	AddRun(b, b.store, nowhere, "one")
	b.write(func(tx *store.Tx) error { return tx.WithdrawSpace(nowhere.ID) })
	check("main", hosting.Resources{CPU: 150, Memory: 192, MemoryMax: 320, Disk: 612})
	check("far", one)
}

// Whoever has the turn reads what all before it promised.
func turns(b bundle) {
	second := Open(b, b.dsn, b.clock.With)
	const most = 3
	var all sync.WaitGroup
	for n := range 16 {
		s := []*store.Store{b.store, second}[n%2]
		q := AddRequest(b, s, NewRequest("asso-"+NewID()))
		all.Go(func() {
			err := s.Write(context.Background(), func(tx *store.Tx) error {
				if err := tx.TakeTurn("main"); err != nil {
					return err
				}
				reserved, err := tx.Reserved("main")
				if err != nil || reserved.CPU+100 > most*100 {
					return err
				}
				space := hosting.Space{ID: NewID(), RequestID: q.ID, Handle: q.Slug, Slug: q.Slug, Cluster: "main", State: hosting.SpaceApproved}
				if err := tx.InsertSpace(space); err != nil {
					return err
				}
				return tx.InsertInstance(NewInstance(space, "pads", "etherpad"))
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	same(b, "promised", read(b, func(tx *store.Tx) (hosting.Resources, error) { return tx.Reserved("main") }).CPU, most*100)
}

func waitingRequests(b bundle) {
	var want []string
	for n, slug := range []string{"un", "deux", "trois"} {
		q := AddRequest(b, b.store, NewRequest(slug))
		b.write(func(tx *store.Tx) error {
			q.State, q.ReviewerID, q.WaitingSince = hosting.RequestWaiting, "ana", tx.Now.Add(-time.Duration(n)*time.Hour)
			return tx.MoveRequest(hosting.RequestPending, q)
		})
		want = slices.Insert(want, 0, slug)
	}
	AddRequest(b, b.store, NewRequest("quatre"))
	slugs := func(requests []hosting.Request) (slugs []string) {
		for _, q := range requests {
			slugs = append(slugs, q.Slug)
			same(b, "reviewer", q.ReviewerID, "ana")
		}
		return slugs
	}
	line := read(b, (*store.Tx).WaitingRequests)
	same(b, "the line", slugs(line), want)
	same(b, "since when", line[0].WaitingSince, b.now().Add(-2*time.Hour))
	page, counts := b.listed(hosting.RequestWaiting, "", "", 0, 10)
	same(b, "the list", page, want)
	same(b, "counts", counts, map[hosting.RequestState]int{hosting.RequestWaiting: 3, hosting.RequestPending: 1})
	for slug, want := range map[string][2]bool{"un": {true, true}, "quatre": {true, false}, "cinq": {false, false}} {
		same(b, "wanted: "+slug, read(b, func(tx *store.Tx) (bool, error) { return tx.SlugWanted(slug, "") }), want[0])
		same(b, "promised: "+slug, read(b, func(tx *store.Tx) (bool, error) { return tx.SlugPromised(slug, "") }), want[1])
	}
	same(b, "to itself", read(b, func(tx *store.Tx) (bool, error) { return tx.SlugPromised("trois", line[0].ID) }), false)
}

func withdrawnSpaces(b bundle) {
	s := AddSpace(b, b.store, "amis")
	_, shared := AddCommons(b, b.store, "lists", "sympa")
	b.write(func(tx *store.Tx) error {
		return tx.InsertTenant(hosting.Tenant{SpaceID: s.ID, InstanceID: shared.ID, Kind: "lists", CreatedAt: tx.Now})
	})
	run := AddRun(b, b.store, s, "one")
	b.write(func(tx *store.Tx) error {
		free, err := tx.RunUntouched(s.ID)
		same(b, "untouched", free, true)
		return err
	})
	b.write(func(tx *store.Tx) error { return tx.WithdrawSpace(s.ID) })
	same(b, "state", read(b, func(tx *store.Tx) (hosting.Space, error) { return tx.Space(s.ID) }).State, hosting.SpaceWithdrawn)
	ended := GetRun(b, b.store, run.ID)
	same(b, "its run", [2]any{ended.State, ended.EndedAt}, [2]any{work.RunWithdrawn, b.now()})
	same(b, "the name stays taken", read(b, func(tx *store.Tx) (bool, error) { return tx.SlugUsed("amis") }), true)
	same(b, "what it shared", len(read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.SharedInstances(s.ID) })), 0)
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.WithdrawSpace(s.ID) })
	if _, ok := b.claim("w"); ok {
		b.Error("a run of a space that was withdrawn was claimed")
	}

	// What somebody began stays, also while nobody holds it, and so does the host's own.
	begun := AddSpace(b, b.store, "autres")
	AddRun(b, b.store, begun, "one")
	c, _ := b.claim("w")
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.WithdrawSpace(begun.ID) })
	b.must(b.store.DeferStep(context.Background(), c, 0, b.now(), "later", false))
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.WithdrawSpace(begun.ID) })
	b.write(func(tx *store.Tx) error {
		free, err := tx.RunUntouched(begun.ID)
		same(b, "untouched", free, false)
		return err
	})
	own, _ := AddCommons(b, b.store, "meet", "jitsi")
	AddRun(b, b.store, own, "one")
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.WithdrawSpace(own.ID) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.SetPlan(begun.ID, hosting.SpaceActive, "large") })
	b.write(func(tx *store.Tx) error { return tx.SetPlan(begun.ID, hosting.SpaceApproved, "large") })
	same(b, "plan", read(b, func(tx *store.Tx) (hosting.Space, error) { return tx.Space(begun.ID) }).Plan, "large")
}

// Of a worker that claims a run and of somebody who withdraws its space, one comes first, and the other is told.
func withdrawnOrClaimed(b bundle) {
	second := Open(b, b.dsn, b.clock.With)
	for range 20 {
		s := AddSpace(b, b.store, "asso-"+NewID())
		AddRun(b, b.store, s, "one")
		var claimed bool
		var refused error
		var all sync.WaitGroup
		all.Go(func() {
			var err error
			if _, claimed, err = second.ClaimRun(context.Background(), "w", []string{s.ID}, lease); err != nil {
				b.Error(err)
			}
		})
		all.Go(func() {
			refused = b.store.Write(context.Background(), func(tx *store.Tx) error { return tx.WithdrawSpace(s.ID) })
		})
		all.Wait()
		if refused != nil && !errors.Is(refused, store.ErrStale) || claimed == (refused == nil) {
			b.Fatalf("claimed: %v, and withdrawing said %v", claimed, refused)
		}
	}
}

// shares are what the costs are split by.
func shares(b bundle) {
	s := AddSpace(b, b.store, "amis")
	commons, _ := AddCommons(b, b.store, "lists", "sympa")
	AddSpace(b, b.store, "attend")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	for _, id := range []string{s.ID, commons.ID} {
		b.write(func(tx *store.Tx) error {
			if _, err := tx.MoveSpace(id, hosting.SpaceProvisioning); err != nil {
				return err
			}
			_, err := tx.MoveSpace(id, hosting.SpaceActive)
			return err
		})
	}
	of := func() map[string]store.SpaceShare {
		all := map[string]store.SpaceShare{}
		for _, share := range read(b, (*store.Tx).SpaceShares) {
			all[share.Space.Slug] = share
		}
		return all
	}
	two := hosting.Resources{CPU: 200, Memory: 256, Disk: 1024}
	got := of()
	same(b, "active spaces", len(got), 2)
	same(b, "amis", [2]any{got["amis"].Reserved, got["amis"].Accounts}, [2]any{two, int64(-1)})
	same(b, "the host's own", [2]any{got["lists"].Space.Shared, got["lists"].Reserved.Memory}, [2]any{true, 128})
	same(b, "stored", read(b, func(tx *store.Tx) (int64, error) { return tx.StorageUsed("main") }), 0)

	b.write(func(tx *store.Tx) error {
		_, err := tx.AddMissingSeries(func(int) time.Time { return tx.Now }, 10)
		return err
	})
	b.write(func(tx *store.Tx) error {
		read := func(metric string, v int64) hosting.Reading { return hosting.Reading{Metric: metric, Value: v} }
		return tx.AddMeasurements([]hosting.Measurement{
			{InstanceID: pads.ID, SpaceID: s.ID, At: tx.Now, Readings: []hosting.Reading{read("accounts", 7), read("bytes", 1000), read("volume_bytes", 4000), read("pads", 9)}},
			{InstanceID: calcs.ID, SpaceID: s.ID, At: tx.Now, Readings: []hosting.Reading{read("accounts", 5), read("bytes", 50), read("database_bytes", 600),
				{Metric: "bucket_bytes", Problem: "no answer"}}},
		})
	})
	same(b, "people in the application that has most", of()["amis"].Accounts, 7)
	same(b, "stored", read(b, func(tx *store.Tx) (int64, error) { return tx.StorageUsed("main") }), 4650)
}

// A run that waits, or that a person must look at, begins anew; one that a worker executes goes on.
func restartedRuns(b bundle) {
	ctx, s := context.Background(), AddSpace(b, b.store, "amis")
	restart := func(kind string, want bool) {
		b.Helper()
		b.write(func(tx *store.Tx) error {
			done, err := tx.RestartRun(s.ID, kind)
			same(b, "restarted", done, want)
			return err
		})
	}
	restart("test", false)
	run := AddRun(b, b.store, s, "one", "two")
	restart("other", false)
	c, _ := b.claim("w")
	b.must(b.store.FinishStep(ctx, c, 0, "{}"))
	restart("test", false)
	b.must(b.store.DeferStep(ctx, c, 1, b.now().Add(time.Hour), "no room", true))
	restart("test", true)
	pending := func() {
		b.Helper()
		got := GetRun(b, b.store, run.ID)
		same(b, "state", [2]any{got.State, got.NotBefore}, [2]any{work.RunReady, time.Time{}})
		for n, step := range got.Steps {
			same(b, "step", [5]any{step.State, step.Message, step.Output, step.Errors, step.Seq}, [5]any{work.StepPending, "", "", 0, n})
		}
	}
	pending()
	if err := b.store.FinishStep(ctx, c, 1, ""); !errors.Is(err, work.ErrFenced) {
		b.Errorf("who had it before writes on: %v", err)
	}
	c, _ = b.claim("w")
	b.must(b.store.ParkRun(ctx, c, 0, "a person is needed"))
	restart("test", true)
	pending()
}
