package storetest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// Spaces of the host's own come from no request, and are found and listed like all others.
func commons(b bundle) {
	lists, _ := AddCommons(b, b.store, "lists", "sympa")
	meet, _ := AddCommons(b, b.store, "meet", "jitsi") // a second one: that neither has a request is no clash
	AddSpace(b, b.store, "amis")
	for _, name := range []string{lists.ID, "lists", "commons-sympa"} {
		same(b, "space "+name, read(b, func(tx *store.Tx) (hosting.Space, error) { return tx.SpaceNamed(name) }), lists)
	}
	all := read(b, func(tx *store.Tx) (page []hosting.Space, err error) {
		page, _, err = tx.Spaces("", "chaton", 0, 10)
		return page, err
	})
	same(b, "spaces of the host", all, []hosting.Space{meet, lists})

	for name, change := range map[string]func(*hosting.Space){
		"of the host with a request":        func(s *hosting.Space) { s.Shared = true },
		"of an association without request": func(s *hosting.Space) { s.RequestID = "" },
	} {
		q := AddRequest(b, b.store, NewRequest("autre"))
		s := hosting.Space{ID: NewID(), RequestID: q.ID, Handle: "autre", Slug: "autre", State: hosting.SpaceApproved}
		change(&s)
		if err := b.store.Write(context.Background(), func(tx *store.Tx) error { return tx.InsertSpace(s) }); err == nil {
			b.Errorf("a space %s is kept", name)
		}
	}

	// The sweep, the edges and the renewal see its instance like any other.
	shared := read(b, func(tx *store.Tx) (hosting.Instance, error) { return tx.SharedInstance("lists") })
	b.write(func(tx *store.Tx) error {
		for _, state := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
			if _, err := tx.MoveSpace(lists.ID, state); err != nil {
				return err
			}
		}
		return tx.Route(shared.ID, "192.0.2.1:20000")
	})
	active := read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.ActiveInstances("", 10) })
	same(b, "instances of active spaces", len(active), 1)
	same(b, "routes", read(b, (*store.Tx).EdgeRoutes),
		[]store.EdgeRoute{{Host: "lists.example.org", Address: "192.0.2.1:20000", App: shared.App, Space: hosting.SpaceActive}})
}

// Of many that make the host's space at once, one does; the others find it made, also while the first is at it.
func commonsAtOnce(b bundle) {
	second := Open(b, b.dsn, b.clock.With)
	var all sync.WaitGroup
	var made atomic.Int64
	for n := range 8 {
		s := []*store.Store{b.store, second}[n%2]
		all.Go(func() {
			err := s.Write(context.Background(), func(tx *store.Tx) error {
				space := hosting.Space{ID: NewID(), Shared: true, Handle: "commons-sympa", Slug: "lists", State: hosting.SpaceApproved}
				first, err := tx.InsertSpaceOnce(space)
				if err != nil {
					return err
				}
				if first {
					made.Add(1)
					return tx.InsertInstance(NewInstance(space, "lists", "sympa"))
				}
				_, err = tx.SharedInstance("lists")
				return err
			})
			if err != nil {
				b.Errorf("one of eight: %v", err)
			}
		})
	}
	all.Wait()
	same(b, "made", made.Load(), 1)

	// Whoever has the name already keeps it.
	AddSpace(b, b.store, "meet")
	var first bool
	b.write(func(tx *store.Tx) (err error) {
		first, err = tx.InsertSpaceOnce(hosting.Space{ID: NewID(), Shared: true, Handle: "commons-jitsi", Slug: "meet", State: hosting.SpaceApproved})
		return err
	})
	same(b, "a name that an association has", first, false)
	missing(b, func(tx *store.Tx) (hosting.Instance, error) { return tx.SharedInstance("meet") })
}

func tenants(b bundle) {
	lists, sympa := AddCommons(b, b.store, "lists", "sympa")
	_, jitsi := AddCommons(b, b.store, "meet", "jitsi")
	lilas, menthe := AddSpace(b, b.store, "lilas"), AddSpace(b, b.store, "menthe")
	AddInstance(b, b.store, lilas, "pads", "etherpad")
	join := func(s hosting.Space, i hosting.Instance, kind string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			return tx.InsertTenant(hosting.Tenant{SpaceID: s.ID, InstanceID: i.ID, Kind: kind, CreatedAt: tx.Now})
		}
	}
	b.write(join(lilas, jitsi, "meet"))
	b.clock.Advance(1e9)
	b.write(join(lilas, sympa, "lists"))
	b.write(join(menthe, sympa, "lists"))
	b.refused(store.ErrTaken, join(lilas, sympa, "lists"))
	b.refused(store.ErrTaken, join(lilas, sympa, "other")) // one instance, once
	b.refused(store.ErrTaken, join(lilas, jitsi, "lists")) // one kind, once
	if err := b.store.Write(context.Background(), join(hosting.Space{ID: "nobody"}, sympa, "lists")); err == nil {
		b.Error("a tenant that is no space: foreign keys are off")
	}

	uses := func(s hosting.Space) []hosting.Instance {
		return read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.SharedInstances(s.ID) })
	}
	same(b, "what lilas shares", uses(lilas), []hosting.Instance{jitsi, sympa})
	same(b, "what menthe shares", uses(menthe), []hosting.Instance{sympa})
	same(b, "what the host's space shares", uses(lists), nil)
	same(b, "its own", len(read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.Instances(lilas.ID) })), 1)

	users := func(s hosting.Space, limit int) (slugs []string, count int) {
		b.write(func(tx *store.Tx) error {
			spaces, n, err := tx.TenantsOf(s.ID, limit)
			for _, u := range spaces {
				slugs = append(slugs, u.Slug)
			}
			count = n
			return err
		})
		return slugs, count
	}
	slugs, count := users(lists, 10)
	slices.Sort(slugs)
	same(b, "users", slugs, []string{"lilas", "menthe"})
	same(b, "count", count, 2)
	slugs, count = users(lists, 1)
	same(b, "users up to a limit", [2]int{len(slugs), count}, [2]int{1, 2})
	slugs, count = users(lilas, 10)
	same(b, "users of a space of its own", [2]int{len(slugs), count}, [2]int{})
}

// Once the host's instance is there, those that wait for it are claimed at once, and nobody else.
func tenantsAwake(b bundle) {
	lists, sympa := AddCommons(b, b.store, "lists", "sympa")
	lilas, menthe := AddSpace(b, b.store, "lilas"), AddSpace(b, b.store, "menthe")
	b.write(func(tx *store.Tx) error {
		return tx.InsertTenant(hosting.Tenant{SpaceID: lilas.ID, InstanceID: sympa.ID, Kind: "lists", CreatedAt: tx.Now})
	})
	for _, s := range []hosting.Space{lilas, menthe} {
		run := AddRun(b, b.store, s, "shared")
		claim, ok, err := b.store.ClaimRun(context.Background(), "w", []string{s.ID}, 1e9)
		if err != nil || !ok || claim.Run.ID != run.ID {
			b.Fatal(ok, err)
		}
		if err := b.store.DeferStep(context.Background(), claim, 0, b.clock.Now().Add(1e12), "waits", false); err != nil {
			b.Fatal(err)
		}
	}
	b.write(func(tx *store.Tx) error { return tx.WakeTenants(lists.ID) })
	for s, want := range map[hosting.Space]bool{lilas: true, menthe: false} {
		_, ok, err := b.store.ClaimRun(context.Background(), "w", []string{s.ID}, 1e9)
		if err != nil || ok != want {
			b.Errorf("%s is claimed: %v, %v", s.Slug, ok, err)
		}
	}
}

func setupSteps(b bundle) {
	i := AddInstance(b, b.store, AddSpace(b, b.store, "amis"), "cloud", "nextcloud")
	done := func() []string {
		return read(b, func(tx *store.Tx) ([]string, error) { return tx.SetupDone(i.ID) })
	}
	same(b, "before", done(), nil)
	b.write(func(tx *store.Tx) error { return tx.FinishSetup(i.ID, "install") })
	b.clock.Advance(1e9)
	b.write(func(tx *store.Tx) error { return tx.FinishSetup(i.ID, "apps") })
	b.write(func(tx *store.Tx) error { return tx.FinishSetup(i.ID, "install") })
	same(b, "done, in order", done(), []string{"install", "apps"})
	same(b, "of another", read(b, func(tx *store.Tx) ([]string, error) { return tx.SetupDone("nobody") }), nil)
}
