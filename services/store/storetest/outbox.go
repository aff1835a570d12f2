package storetest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"framagit.org/frama/frama/services/store"
)

func (b bundle) due(limit int) []store.Mail {
	b.Helper()
	return read(b, func(tx *store.Tx) ([]store.Mail, error) { return tx.MailsDue(limit) })
}

func (b bundle) claimMail(id string) (ok bool) {
	b.Helper()
	b.write(func(tx *store.Tx) (err error) { ok, err = tx.ClaimMail(id, time.Minute); return err })
	return ok
}

func outbox(b bundle) {
	mail := store.Mail{Recipient: "zoe@example.org", Lang: "fr", Template: "confirm", Args: map[string]string{"slug": "été\"<"}, RequestID: "r"}
	b.write(func(tx *store.Tx) error { return tx.Enqueue(mail, "example.org") })
	b.clock.Advance(time.Second)
	b.write(func(tx *store.Tx) error {
		return tx.Enqueue(store.Mail{Recipient: "anne@example.org", Template: "second"}, "example.org")
	})
	due := b.due(10)
	same(b, "mails due", len(due), 2)
	got := due[0]
	if got.MessageID != got.ID+"@example.org" || strings.ContainsAny(got.MessageID, "<>") {
		b.Errorf("Message-ID %q", got.MessageID)
	}
	mail.ID, mail.MessageID, mail.State, mail.CreatedAt, mail.NextAttempt = got.ID, got.MessageID, "waiting", got.CreatedAt, got.CreatedAt
	same(b, "a mail", got, mail)
	same(b, "at most one", len(b.due(1)), 1)

	same(b, "claimed", b.claimMail(got.ID), true)
	same(b, "claimed twice", b.claimMail(got.ID), false)
	same(b, "due while claimed", len(b.due(10)), 1)
	next := b.now().Add(5 * time.Minute)
	b.write(func(tx *store.Tx) error { return tx.MailFailed(got.ID, "no route to host", next) })
	b.clock.Advance(5*time.Minute - time.Microsecond)
	same(b, "claimed before its next attempt", b.claimMail(got.ID), false)
	b.clock.Advance(time.Microsecond)
	same(b, "claimed at its next attempt", b.claimMail(got.ID), true)
	b.write(func(tx *store.Tx) error { return tx.MailSent(got.ID) })
	mails := func(state string) []store.Mail {
		return read(b, func(tx *store.Tx) ([]store.Mail, error) { return tx.Mails(state, 10) })
	}
	sent := mails("sent")
	mail.State, mail.Attempts, mail.SentAt, mail.NextAttempt = "sent", 2, b.now(), sent[0].NextAttempt
	same(b, "the mail that was sent", sent, []store.Mail{mail})
	same(b, "claimed once sent", b.claimMail(got.ID), false)
	// A sender whose claim ended learns that another has sent it.
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.MailFailed(got.ID, "late", b.now()) })

	second := due[1].ID
	b.write(func(tx *store.Tx) error { return tx.MailFailed(second, "no such mailbox", time.Time{}) })
	b.clock.Advance(24 * time.Hour)
	same(b, "claimed once given up", b.claimMail(second), false)
	same(b, "due", len(b.due(10)), 0)
	same(b, "failed", mails("failed")[0].LastError, "no such mailbox")
	same(b, "all", len(mails("")), 2)
	b.refused(store.ErrStale, func(tx *store.Tx) error { return tx.MailSent("nobody") })
}

func outboxClaims(b bundle) {
	b.write(func(tx *store.Tx) error { return tx.Enqueue(store.Mail{Recipient: "zoe@example.org"}, "example.org") })
	id := b.due(1)[0].ID
	second := Open(b, b.dsn, b.clock.With)
	var won atomic.Int64
	var all sync.WaitGroup
	for n := range 8 {
		s := []*store.Store{b.store, second}[n%2]
		all.Go(func() {
			err := s.Write(context.Background(), func(tx *store.Tx) error {
				ok, err := tx.ClaimMail(id, time.Minute)
				if ok {
					won.Add(1)
				}
				return err
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	same(b, "senders", won.Load(), 1)
	b.clock.Advance(time.Minute) // the sender died
	same(b, "claimed after the lease", b.claimMail(id), true)
	same(b, "attempts", read(b, func(tx *store.Tx) ([]store.Mail, error) { return tx.Mails("waiting", 1) })[0].Attempts, 2)
}
