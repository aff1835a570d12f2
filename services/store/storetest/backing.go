package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// onFewest chooses the server with the fewest entries.
func onFewest(name string, servers ...string) func(map[string]int) (string, string, error) {
	return func(load map[string]int) (string, string, error) {
		best := servers[0]
		for _, s := range servers {
			if load[s] < load[best] {
				best = s
			}
		}
		return best, name, nil
	}
}

func backingChoice(b bundle) {
	s := AddSpace(b, b.store, "amis")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	want := func(i hosting.Instance, service, name string) (entry hosting.Backing) {
		b.write(func(tx *store.Tx) (err error) {
			entry, err = tx.WantBacking(i.ID, service, onFewest(name, "db1", "db2"))
			return err
		})
		return entry
	}
	first := want(pads, "postgres", "amis_etherpad")
	same(b, "chosen", first, hosting.Backing{
		ID: first.ID, InstanceID: pads.ID, Service: "postgres", Server: "db1", Name: "amis_etherpad", State: hosting.BackingWanted, CreatedAt: b.now(),
	})
	b.clock.Advance(time.Hour)
	same(b, "chosen once", want(pads, "postgres", "another"), first)
	same(b, "the other server", want(calcs, "postgres", "amis_ethercalc").Server, "db2")
	b.refused(store.ErrTaken, func(tx *store.Tx) error {
		_, err := tx.WantBacking(pads.ID, "redis", onFewest("amis_etherpad", "db1"))
		return err
	})
	full := errors.New("no server")
	b.refused(full, func(tx *store.Tx) error {
		_, err := tx.WantBacking(pads.ID, "redis", func(map[string]int) (string, string, error) { return "", "", full })
		return err
	})
	list := read(b, func(tx *store.Tx) ([]hosting.Backing, error) { return tx.Backings(pads.ID) })
	same(b, "of an instance", list, []hosting.Backing{first})
	all := read(b, func(tx *store.Tx) ([]hosting.Backing, error) { return tx.BackingsAfter("", 10) })
	same(b, "all", len(all), 2)
	same(b, "after the first", read(b, func(tx *store.Tx) ([]hosting.Backing, error) { return tx.BackingsAfter(all[0].ID, 10) }), all[1:])
	missing(b, func(tx *store.Tx) (hosting.Backing, error) { return tx.Backing("nobody") })
}

func backingRace(b bundle) {
	s := AddSpace(b, b.store, "amis")
	pads := AddInstance(b, b.store, s, "pads", "etherpad")
	var all sync.WaitGroup
	found := make([]string, 8)
	for n := range found {
		all.Go(func() {
			for { // whoever was slower looks again
				err := b.store.Write(context.Background(), func(tx *store.Tx) error {
					entry, err := tx.WantBacking(pads.ID, "postgres", onFewest("amis_etherpad", "db1", "db2"))
					found[n] = entry.ID
					return err
				})
				if !errors.Is(err, store.ErrTaken) {
					if err != nil {
						b.Error(err)
					}
					return
				}
			}
		})
	}
	all.Wait()
	for _, id := range found {
		same(b, "one entry for all", id, found[0])
	}
}

func backingMoves(b bundle) {
	s := AddSpace(b, b.store, "amis")
	pads := AddInstance(b, b.store, s, "pads", "etherpad")
	var id string
	b.write(func(tx *store.Tx) error {
		entry, err := tx.WantBacking(pads.ID, "postgres", onFewest("amis_etherpad", "db1"))
		id = entry.ID
		return err
	})
	hold := func(holder string) func(*store.Tx) error {
		return func(tx *store.Tx) error { return tx.HoldBacking(id, holder, tx.Now.Add(time.Minute)) }
	}
	move := func(holder string, to hosting.BackingState) func(*store.Tx) error {
		return func(tx *store.Tx) error { return tx.MoveBacking(id, holder, to) }
	}
	get := func() hosting.Backing {
		return read(b, func(tx *store.Tx) (hosting.Backing, error) { return tx.Backing(id) })
	}
	b.refused(store.ErrStale, move("ana", hosting.BackingMade)) // nobody holds it
	b.write(hold("ana"))
	b.write(hold("ana"))
	b.refused(store.ErrStale, hold("bob"))
	b.refused(store.ErrStale, move("bob", hosting.BackingMade))
	b.refused(store.ErrStale, move("ana", hosting.BackingPurged))
	b.write(move("ana", hosting.BackingMade))
	b.write(move("ana", hosting.BackingMade))
	same(b, "a first password is none that was changed", get().RotatedAt, time.Time{})
	b.write(move("ana", hosting.BackingRotating))
	b.clock.Advance(30 * time.Second)
	b.write(move("ana", hosting.BackingMade))
	same(b, "changed", get().RotatedAt, b.now())

	b.clock.Advance(time.Minute) // her hold is over
	b.refused(store.ErrStale, move("ana", hosting.BackingRetiring))
	b.write(hold("bob"))
	b.write(func(tx *store.Tx) error { return tx.ReleaseBacking(id, "ana") })
	b.refused(store.ErrStale, hold("ana"))
	aside := func(name string) (kept string) {
		b.write(func(tx *store.Tx) (err error) {
			kept, err = tx.SetAsideBacking(id, name)
			return err
		})
		return kept
	}
	same(b, "set aside", aside("amis_etherpad_1"), "amis_etherpad_1")
	same(b, "set aside once", aside("amis_etherpad_2"), "amis_etherpad_1")
	b.refused(store.ErrStale, move("bob", hosting.BackingRetired)) // not without the intention
	b.write(move("bob", hosting.BackingRetiring))
	b.write(move("bob", hosting.BackingRetired))
	same(b, "retired", get().RetiredAt, b.now())
	b.refused(store.ErrStale, move("bob", hosting.BackingMade))
	b.write(move("bob", hosting.BackingRestoring))
	b.write(func(tx *store.Tx) error {
		if err := tx.MoveBacking(id, "bob", hosting.BackingMade); err != nil {
			return err
		}
		return tx.ClearAsideBacking(id)
	})
	same(b, "restored", [2]any{get().RetiredAt, get().SetAside}, [2]any{time.Time{}, ""})
	for _, to := range []hosting.BackingState{hosting.BackingRetiring, hosting.BackingRetired, hosting.BackingPurging, hosting.BackingPurged} {
		b.write(move("bob", to))
	}
	b.refused(store.ErrStale, move("bob", hosting.BackingRestoring))
	b.write(func(tx *store.Tx) error { return tx.ReleaseBacking(id, "bob") })
	b.write(hold("ana"))
	// What is gone counts no more.
	calcs := AddInstance(b, b.store, s, "calcs", "ethercalc")
	b.write(func(tx *store.Tx) error {
		_, err := tx.WantBacking(calcs.ID, "postgres", func(load map[string]int) (string, string, error) {
			same(b, "load", load, map[string]int{})
			return "db1", "amis_ethercalc", nil
		})
		return err
	})
}
