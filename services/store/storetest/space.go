package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

func spaces(b bundle) {
	s := AddSpace(b, b.store, "amis")
	for _, name := range []string{s.ID, s.Slug, s.Handle} {
		same(b, "space "+name, read(b, func(tx *store.Tx) (hosting.Space, error) { return tx.SpaceNamed(name) }), s)
	}
	missing(b, func(tx *store.Tx) (hosting.Space, error) { return tx.Space("amis") })
	missing(b, func(tx *store.Tx) (hosting.Space, error) { return tx.SpaceNamed("") })

	// A slug goes before a handle: people name spaces by what they see.
	b.write(func(tx *store.Tx) error {
		q := NewRequest("other")
		if err := tx.InsertRequest(q, "c", "t"); err != nil {
			return err
		}
		return tx.InsertSpace(hosting.Space{ID: NewID(), RequestID: q.ID, Handle: "ancien", Slug: "nouveau", State: hosting.SpaceActive})
	})
	third := AddSpace(b, b.store, "ancien-2")
	b.write(func(tx *store.Tx) error { _, err := tx.MoveSpace(third.ID, hosting.SpaceProvisioning); return err })
	for slug, want := range map[string][2]bool{"amis": {true, true}, "nouveau": {true, false}, "ancien": {false, true}, "libre": {false, false}} {
		same(b, "slug "+slug, read(b, func(tx *store.Tx) (bool, error) { return tx.SlugUsed(slug) }), want[0])
		same(b, "handle "+slug, read(b, func(tx *store.Tx) (bool, error) { return tx.HandleUsed(slug) }), want[1])
	}

	b.write(func(tx *store.Tx) error { return tx.SetCluster(s.ID, "north") })
	b.write(func(tx *store.Tx) error { return tx.SetCluster(s.ID, "north") })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.SetCluster(s.ID, "south") })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.SetCluster("nobody", "north") })
}

func spaceMoves(b bundle) {
	s := AddSpace(b, b.store, "amis")
	move := func(to hosting.SpaceState, want bool) {
		b.Helper()
		b.write(func(tx *store.Tx) error {
			moved, err := tx.MoveSpace(s.ID, to)
			same(b, "moved to "+string(to), moved, want)
			return err
		})
	}
	b.refused(store.ErrStale, func(tx *store.Tx) error { _, err := tx.MoveSpace(s.ID, hosting.SpaceActive); return err })
	b.refused(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.MoveSpace("nobody", hosting.SpaceActive); return err })
	move(hosting.SpaceProvisioning, true)
	move(hosting.SpaceProvisioning, false)
	move(hosting.SpaceFailed, true)
	move(hosting.SpaceProvisioning, true)
	move(hosting.SpaceActive, true)
	activated := b.now()
	b.clock.Advance(1e9)
	move(hosting.SpaceActive, false)
	got := read(b, func(tx *store.Tx) (hosting.Space, error) { return tx.Space(s.ID) })
	same(b, "state", got.State, hosting.SpaceActive)
	same(b, "activated at", got.ActivatedAt, activated)
	b.refused(store.ErrStale, func(tx *store.Tx) error { _, err := tx.MoveSpace(s.ID, hosting.SpaceFailed); return err })
}

func spacePages(b bundle) {
	var want []string
	for i := range 5 {
		want = append(want, AddSpace(b, b.store, fmt.Sprintf("amis%d", i)).Slug)
	}
	slices.Reverse(want)
	var got []string
	for offset := 0; offset < 6; offset += 2 {
		page := read(b, func(tx *store.Tx) ([]hosting.Space, error) {
			page, counts, err := tx.Spaces("", "AMIS", offset, 2)
			same(b, "counts", counts, map[hosting.SpaceState]int{hosting.SpaceApproved: 5})
			return page, err
		})
		for _, s := range page {
			got = append(got, s.Slug)
		}
	}
	same(b, "spaces, newest first", got, want)
	for text, n := range map[string]int{"amis3": 1, "AMIS4@example.org": 1, "%": 0, "_": 0, "amis amis1": 1} {
		page := read(b, func(tx *store.Tx) ([]hosting.Space, error) {
			page, _, err := tx.Spaces(hosting.SpaceApproved, text, 0, 10)
			return page, err
		})
		same(b, fmt.Sprintf("spaces that match %q", text), len(page), n)
	}
}

func uniqueNames(b bundle) {
	s := AddSpace(b, b.store, "amis")
	i := AddInstance(b, b.store, s, "pads", "etherpad")
	insert := func(change func(*hosting.Space)) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			q := NewRequest("autre")
			if err := tx.InsertRequest(q, "c"+q.ID, "t"+q.ID); err != nil {
				return err
			}
			other := hosting.Space{ID: NewID(), RequestID: q.ID, Handle: "autre", Slug: "autre", State: hosting.SpaceApproved}
			change(&other)
			return tx.InsertSpace(other)
		}
	}
	b.refused(store.ErrTaken, insert(func(o *hosting.Space) { o.Slug = "amis" }))
	b.refused(store.ErrTaken, insert(func(o *hosting.Space) { o.Handle = "amis" }))
	b.refused(store.ErrTaken, insert(func(o *hosting.Space) { o.ID = s.ID }))
	b.refused(store.ErrTaken, insert(func(o *hosting.Space) { o.RequestID = s.RequestID }))
	b.write(insert(func(*hosting.Space) {}))

	for name, change := range map[string]func(*hosting.Instance){
		"host":   func(o *hosting.Instance) { o.Host = i.Host },
		"job":    func(o *hosting.Instance) { o.Job = i.Job },
		"volume": func(o *hosting.Instance) { o.Volume = i.Volume },
		"app":    func(o *hosting.Instance) { o.App = i.App },
	} {
		other := NewInstance(s, "calcs", "ethercalc")
		change(&other)
		if err := b.store.Write(context.Background(), func(tx *store.Tx) error { return tx.InsertInstance(other) }); !errors.Is(err, store.ErrTaken) {
			b.Errorf("a second instance with the same %s: %v", name, err)
		}
	}
	stray := NewInstance(hosting.Space{ID: "nobody", Slug: "x", Handle: "x"}, "pads", "etherpad")
	if err := b.store.Write(context.Background(), func(tx *store.Tx) error { return tx.InsertInstance(stray) }); err == nil {
		b.Error("an instance of no space: foreign keys are off")
	}
}

// Of many that want the same at once, one gets it and the others are told.
func oneWins(b bundle) {
	const many = 8
	q := AddRequest(b, b.store, NewRequest("amis"))
	second := Open(b, b.dsn, b.clock.With)
	race := func(f func(n int, tx *store.Tx) error) (won int64) {
		var all sync.WaitGroup
		var wins atomic.Int64
		for n := range many {
			s := []*store.Store{b.store, second}[n%2]
			all.Go(func() {
				err := s.Write(context.Background(), func(tx *store.Tx) error { return f(n, tx) })
				switch {
				case err == nil:
					wins.Add(1)
				case !errors.Is(err, store.ErrTaken) && !errors.Is(err, store.ErrStale):
					b.Errorf("a loser is told %v", err)
				}
			})
		}
		all.Wait()
		return wins.Load()
	}
	same(b, "approvals of one request", race(func(n int, tx *store.Tx) error {
		next := q
		next.State, next.ReviewerID = hosting.RequestApproved, fmt.Sprint(n)
		return tx.MoveRequest(hosting.RequestPending, next)
	}), 1)
	same(b, "spaces of one slug", race(func(n int, tx *store.Tx) error {
		q := NewRequest("même")
		if err := tx.InsertRequest(q, "c"+q.ID, "t"+q.ID); err != nil {
			return err
		}
		return tx.InsertSpace(hosting.Space{ID: NewID(), RequestID: q.ID, Handle: fmt.Sprint("h", n), Slug: "meme", State: hosting.SpaceApproved})
	}), 1)
	same(b, "spaces of one handle", race(func(n int, tx *store.Tx) error {
		q := NewRequest("même")
		if err := tx.InsertRequest(q, "c"+q.ID, "t"+q.ID); err != nil {
			return err
		}
		return tx.InsertSpace(hosting.Space{ID: NewID(), RequestID: q.ID, Handle: "meme2", Slug: fmt.Sprint("s", n), State: hosting.SpaceApproved})
	}), 1)
	s := AddSpace(b, b.store, "runs")
	same(b, "active runs of a space", race(func(_ int, tx *store.Tx) error { return tx.InsertRun(NewID(), s.ID, "test", 1, []string{"a"}) }), 1)
	var instances []hosting.Instance
	for n := range many {
		instances = append(instances, AddInstance(b, b.store, s, fmt.Sprint("k", n), fmt.Sprint("app", n)))
	}
	same(b, "holders of a port", race(func(n int, tx *store.Tx) error { return tx.PlaceInstance(instances[n].ID, "node", 20000) }), 1)

	// Updates that depend on what is there are never lost.
	before := read(b, (*store.Tx).EdgeVersion)
	same(b, "routes", race(func(n int, tx *store.Tx) error { return tx.Route(instances[n].ID, fmt.Sprint("a:", n)) }), many)
	same(b, "edge version", read(b, (*store.Tx).EdgeVersion), before+many)
}
