package storetest

import (
	"context"
	"testing"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// NewRequest returns a pending request that is complete, for the slug. Nothing is stored.
func NewRequest(slug string) hosting.Request {
	return hosting.Request{
		ID: NewID(), State: hosting.RequestPending,
		Association: hosting.Association{Name: "Les Amis de " + slug, RNA: "W751234567", SIRET: "73282932000074", Website: "https://example.org/" + slug},
		Contact:     hosting.Contact{Name: "Zoé Ñuñez", Email: slug + "@example.org", Lang: "fr"},
		Purpose:     "Des comptes rendus\nà plusieurs mains", Slug: slug, Kinds: []string{"pads", "calcs"}, Plan: "small", CharterVersion: "1",
	}
}

// AddRequest stores a request. Its tokens' hashes are "confirm-" and "track-" with its ID.
func AddRequest(t testing.TB, s *store.Store, q hosting.Request) hosting.Request {
	t.Helper()
	write(t, s, func(tx *store.Tx) error {
		if q.CreatedAt.IsZero() {
			q.CreatedAt = tx.Now
		}
		return tx.InsertRequest(q, "confirm-"+q.ID, "track-"+q.ID)
	})
	return q
}

// AddSpace stores a request and its approved space, without instances and runs. The handle is the slug.
func AddSpace(t testing.TB, s *store.Store, slug string) hosting.Space {
	t.Helper()
	q := AddRequest(t, s, NewRequest(slug))
	var space hosting.Space
	write(t, s, func(tx *store.Tx) error {
		space = hosting.Space{
			ID: NewID(), RequestID: q.ID, Handle: slug, Slug: slug, Name: q.Association.Name, Email: q.Contact.Email, Lang: q.Contact.Lang,
			Plan: q.Plan, State: hosting.SpaceApproved, CreatedAt: tx.Now,
		}
		return tx.InsertSpace(space)
	})
	return space
}

// AddCommons stores a space of the host's own for a kind, with the instance of the application that others share.
func AddCommons(t testing.TB, s *store.Store, kind, app string) (hosting.Space, hosting.Instance) {
	t.Helper()
	var space hosting.Space
	write(t, s, func(tx *store.Tx) error {
		space = hosting.Space{
			ID: NewID(), Shared: true, Handle: hosting.CommonsHandle(app), Slug: kind, Name: "Le chaton", Email: "chaton@example.org",
			Lang: "fr", Plan: "large", State: hosting.SpaceApproved, CreatedAt: tx.Now,
		}
		return tx.InsertSpace(space)
	})
	return space, AddInstance(t, s, space, kind, app)
}

// NewInstance returns an instance of an application for a space. Nothing is stored.
func NewInstance(s hosting.Space, kind, app string) hosting.Instance {
	return hosting.Instance{
		ID: NewID(), SpaceID: s.ID, Kind: kind, App: app, Version: "1.0", Host: hosting.HostName(s.Slug, kind, "example.org"),
		Job: s.Handle + "-" + app, Volume: s.Handle + "-" + app + "-data", Health: hosting.HealthUnknown,
		Reserved: hosting.Resources{CPU: 100, Memory: 128, MemoryMax: 256, Disk: 512},
	}
}

// AddInstance stores an instance.
func AddInstance(t testing.TB, s *store.Store, space hosting.Space, kind, app string) hosting.Instance {
	t.Helper()
	i := NewInstance(space, kind, app)
	write(t, s, func(tx *store.Tx) error { return tx.InsertInstance(i) })
	return i
}

// AddRun stores a ready run of kind "test" and version 1 for a space.
func AddRun(t testing.TB, s *store.Store, space hosting.Space, steps ...string) work.Run {
	t.Helper()
	id := NewID()
	write(t, s, func(tx *store.Tx) error { return tx.InsertRun(id, space.ID, "test", 1, steps) })
	return GetRun(t, s, id)
}

// GetRun reads a run.
func GetRun(t testing.TB, s *store.Store, id string) work.Run {
	t.Helper()
	return get(t, s, func(tx *store.Tx) (work.Run, error) { return tx.Run(id) })
}

// write, get and refused run one transaction and end the test when it does not go as it should.
func write(t testing.TB, s *store.Store, f func(*store.Tx) error) {
	t.Helper()
	if err := s.Write(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func get[T any](t testing.TB, s *store.Store, f func(*store.Tx) (T, error)) T {
	t.Helper()
	var v T
	err := s.Read(context.Background(), func(tx *store.Tx) (err error) {
		v, err = f(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
