package storetest

import (
	"slices"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func instances(b bundle) {
	s := AddSpace(b, b.store, "amis")
	pads, calcs := NewInstance(s, "pads", "etherpad"), NewInstance(s, "calcs", "ethercalc")
	pads.Node, pads.Port, pads.Address, pads.Health = "n", 20000, "192.0.2.1:20000", hosting.HealthHealthy
	b.write(func(tx *store.Tx) error {
		if err := tx.InsertInstance(pads); err != nil {
			return err
		}
		return tx.InsertInstance(calcs)
	})
	list := func() []hosting.Instance {
		return read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.Instances(s.ID) })
	}
	same(b, "instances in the order they were made", list(), []hosting.Instance{pads, calcs})
	same(b, "instances of nobody", read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.Instances("nobody") }), nil)

	// Registering says what version runs, and that a first answer is awaited; it never hides what is known.
	b.write(func(tx *store.Tx) error { return tx.InstanceRegistered(calcs.ID, "2.0") })
	b.write(func(tx *store.Tx) error { return tx.InstanceRegistered(pads.ID, "2.0") })
	same(b, "health once registered", [2]hosting.Health{list()[0].Health, list()[1].Health},
		[2]hosting.Health{hosting.HealthHealthy, hosting.HealthPending})
	same(b, "version", list()[1].Version, "2.0")
	b.write(func(tx *store.Tx) error { return tx.SetInstanceHealth(calcs.ID, hosting.HealthUnhealthy) })
	same(b, "health", list()[1].Health, hosting.HealthUnhealthy)
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.SetInstanceHealth("nobody", hosting.HealthHealthy) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.InstanceRegistered("nobody", "1") })
}

func ports(b bundle) {
	s := AddSpace(b, b.store, "amis")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	place := func(i hosting.Instance, node string, port int) func(*store.Tx) error {
		return func(tx *store.Tx) error { return tx.PlaceInstance(i.ID, node, port) }
	}
	b.write(place(pads, "n1", 20000))
	b.write(place(pads, "n1", 20000))
	b.refused(store.ErrStale, place(pads, "n1", 20001)) // data has gravity
	b.refused(store.ErrStale, place(pads, "n2", 20000))
	b.refused(store.ErrTaken, place(calcs, "n1", 20000))
	b.write(place(calcs, "n2", 20000)) // another node, the same port
	same(b, "ports on n1", read(b, func(tx *store.Tx) ([]int, error) { return tx.PortsOn("n1") }), []int{20000})
	same(b, "ports on n3", read(b, func(tx *store.Tx) ([]int, error) { return tx.PortsOn("n3") }), nil)

	other := AddSpace(b, b.store, "autres")
	third := AddInstance(b, b.store, other, "pads", "etherpad")
	b.write(place(third, "n1", 20002))
	reserved := read(b, func(tx *store.Tx) ([]int, error) { return tx.PortsOn("n1") })
	slices.Sort(reserved)
	same(b, "ports on n1", reserved, []int{20000, 20002})
}
