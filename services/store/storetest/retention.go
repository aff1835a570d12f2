package storetest

import (
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// announced returns an object of an instance that is to be removed in 30 days. Nothing is stored.
func announced(b bundle, i hosting.Instance, object string) hosting.Retained {
	return hosting.Retained{
		ID: NewID(), InstanceID: i.ID, Metric: "pads", Object: object, ChangedAt: b.now().Add(-800 * 24 * time.Hour), Unused: 730 * 24 * time.Hour,
		AnnouncedAt: b.now(), RemoveAt: b.now().Add(30 * 24 * time.Hour), MailID: NewID(), State: hosting.RetentionAnnounced,
	}
}

func openRetained(b bundle, i hosting.Instance) []hosting.Retained {
	b.Helper()
	return read(b, func(tx *store.Tx) ([]hosting.Retained, error) { return tx.OpenRetained(i.ID) })
}

func move(b bundle, o hosting.Retained, to hosting.RetentionState) {
	b.Helper()
	b.write(func(tx *store.Tx) error { return tx.MoveRetained(o, to) })
}

func retention(b bundle) {
	s, other := opened(b, "amis"), opened(b, "autres")
	pads, theirs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, other, "pads", "etherpad")
	one, two := announced(b, pads, "../Été\nde « l’an »"), announced(b, pads, "deux")
	two.RemoveAt = two.RemoveAt.Add(-time.Hour)
	third := announced(b, theirs, "deux")
	b.write(func(tx *store.Tx) error { return tx.Announce([]hosting.Retained{one, two, third}) })
	same(b, "open, the first to go first", openRetained(b, pads), []hosting.Retained{two, one})
	b.refused(store.ErrTaken, func(tx *store.Tx) error { return tx.Announce([]hosting.Retained{announced(b, pads, "deux")}) })
	last := func(metric string) time.Time {
		return read(b, func(tx *store.Tx) (time.Time, error) { return tx.LastAnnounced(pads.ID, metric) })
	}
	same(b, "last announced", last("pads"), b.now())
	same(b, "nothing of another kind", last("polls"), time.Time{})

	// Out, step by step; nobody acts on a state that is over.
	stale := two
	two.File, two.Problem = "amis/etherpad/deux.txt", "it could not be removed"
	move(b, two, hosting.RetentionExported)
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.MoveRetained(stale, hosting.RetentionKept) })
	two.State = hosting.RetentionExported
	same(b, "exported", openRetained(b, pads)[0], two)
	b.clock.Advance(time.Hour)
	two.Problem = ""
	move(b, two, hosting.RetentionRemoved)
	two.State, two.EndedAt = hosting.RetentionRemoved, b.now()
	same(b, "all of the space", read(b, func(tx *store.Tx) ([]hosting.Retained, error) { return tx.RetainedOf(s.ID, 10) }), []hosting.Retained{one, two})
	for _, want := range []int{1, 0} {
		b.write(func(tx *store.Tx) error {
			n, err := tx.AuditRemoved(pads.ID)
			same(b, "to be audited", n, want)
			return err
		})
	}
	// What is over may be announced again.
	again := announced(b, pads, "deux")
	b.write(func(tx *store.Tx) error { return tx.Announce([]hosting.Retained{again}) })
	same(b, "last announced", last("pads"), b.now())

	// Told later than was thought: it stays as long as was promised.
	b.write(func(tx *store.Tx) error { return tx.Postpone(again, again.AnnouncedAt.Add(5*time.Hour)) })
	late := openRetained(b, pads)[1]
	same(b, "postponed", late.RemoveAt.Sub(late.AnnouncedAt), again.RemoveAt.Sub(again.AnnouncedAt))
	same(b, "by so much", late.RemoveAt, again.RemoveAt.Add(5*time.Hour))
	same(b, "of another space", openRetained(b, theirs), []hosting.Retained{third})
}

func retentionKept(b bundle) {
	s, other := opened(b, "amis"), opened(b, "autres")
	pads, theirs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, other, "pads", "etherpad")
	calm, going, third := announced(b, pads, "calme"), announced(b, pads, "en route"), announced(b, theirs, "calme")
	b.write(func(tx *store.Tx) error { return tx.Announce([]hosting.Retained{calm, going, third}) })
	move(b, going, hosting.RetentionExported)
	going.State = hosting.RetentionExported
	wished := func() []string {
		return read(b, func(tx *store.Tx) ([]string, error) { return tx.WishedToKeep(pads.ID, "pads") })
	}
	same(b, "before", wished(), nil)
	b.write(func(tx *store.Tx) error {
		n, err := tx.KeepAll(s.ID)
		same(b, "kept", n, 2)
		return err
	})
	same(b, "what is being removed", openRetained(b, pads)[0].State, hosting.RetentionExported)
	same(b, "of another space", openRetained(b, theirs), []hosting.Retained{third})
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.MoveRetained(calm, hosting.RetentionExported) })
	// Its removal failed: it is kept then, not announced as before.
	move(b, going, hosting.RetentionAnnounced)
	same(b, "kept", len(openRetained(b, pads)), 0)
	same(b, "wished", len(wished()), 2)
	b.clock.Advance(730 * 24 * time.Hour)
	same(b, "for as long again", wished(), nil)
	same(b, "spaces", read(b, func(tx *store.Tx) ([]hosting.Space, error) { return tx.SpacesRetained(10) })[0].ID, other.ID)
}

func retentionLooks(b bundle) {
	s := opened(b, "amis")
	pads, calcs := AddInstance(b, b.store, s, "pads", "etherpad"), AddInstance(b, b.store, s, "calcs", "ethercalc")
	AddInstance(b, b.store, AddSpace(b, b.store, "tôt"), "pads", "etherpad")
	shared, _ := AddCommons(b, b.store, "pads", "etherpad")
	for _, to := range []hosting.SpaceState{hosting.SpaceProvisioning, hosting.SpaceActive} {
		b.write(func(tx *store.Tx) error { _, err := tx.MoveSpace(shared.ID, to); return err })
	}
	due := func(apps ...string) []string {
		return ids(read(b, func(tx *store.Tx) ([]hosting.Instance, error) { return tx.InstancesToRetain(apps, "", 10) }))
	}
	claim := func(now, want bool) {
		b.Helper()
		b.write(func(tx *store.Tx) error {
			got, err := tx.ClaimRetention(pads.ID, tx.Now.Add(24*time.Hour), time.Hour, now)
			same(b, "claimed", got, want)
			return err
		})
	}
	same(b, "no application", due(), nil)
	same(b, "one", due("etherpad", "nobody"), []string{pads.ID})
	b.write(func(tx *store.Tx) error { return tx.Announce([]hosting.Retained{announced(b, calcs, "feuille")}) })
	same(b, "and what was announced", due("etherpad"), []string{pads.ID, calcs.ID})
	claim(false, true)
	same(b, "taken", due("etherpad"), []string{calcs.ID})
	claim(false, false)
	claim(true, false) // somebody is at it
	look := hosting.RetentionLook{InstanceID: pads.ID, At: b.now(), NextAt: b.now().Add(24 * time.Hour), Objects: 7, Unread: 2, Problem: "slow", After: "é"}
	b.write(func(tx *store.Tx) error { return tx.FinishRetention(look) })
	same(b, "look", read(b, func(tx *store.Tx) (hosting.RetentionLook, error) { return tx.RetentionLook(pads.ID) }), look)
	same(b, "looks", read(b, func(tx *store.Tx) ([]hosting.RetentionLook, error) { return tx.RetentionLooks(s.ID) }), []hosting.RetentionLook{look})
	same(b, "not before its time", due("etherpad"), []string{calcs.ID})
	claim(false, false)
	claim(true, true) // who cannot wait
	b.clock.Advance(2 * time.Hour)
	claim(true, true) // after one that died
	b.clock.Advance(24 * time.Hour)
	same(b, "in its time", due("etherpad"), []string{pads.ID, calcs.ID})
	missing(b, func(tx *store.Tx) (hosting.RetentionLook, error) { return tx.RetentionLook(calcs.ID) })
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.FinishRetention(hosting.RetentionLook{InstanceID: calcs.ID}) })
}

// retentionAtOnce has two servers want the same instance.
func retentionAtOnce(b bundle) {
	pads := AddInstance(b, b.store, opened(b, "amis"), "pads", "etherpad")
	won := make(chan bool, 4)
	for range cap(won) {
		go func() {
			var got bool
			err := b.store.Write(b.Context(), func(tx *store.Tx) (err error) {
				got, err = tx.ClaimRetention(pads.ID, tx.Now.Add(time.Hour), time.Hour, true)
				return err
			})
			if err != nil {
				b.Error(err)
			}
			won <- got
		}()
	}
	winners := 0
	for range cap(won) {
		if <-won {
			winners++
		}
	}
	same(b, "winners", winners, 1)
}
