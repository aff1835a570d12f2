package mail_test

import (
	"context"
	"fmt"
	"log/slog"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// TestKilledAtEveryWrite: the process dies at each commit of a delivery; the next one goes on once the lease
// has ended.
func TestKilledAtEveryWrite(t *testing.T) {
	for i, c := range []struct {
		moment store.Moment
		write  int
		copies int
	}{
		{store.BeforeCommit, 1, 1}, // before the claim
		{store.AfterCommit, 1, 1},  // claimed
		{store.BeforeCommit, 2, 2}, // handed over, not noted
		{store.AfterCommit, 2, 1},  // noted
	} {
		s := startServer(t, behaviour{})
		b := newBench(t, optionsFor(s, mail.NoTLS))
		b.enqueue(mail.TemplateReceived, "a@b.example", "one")
		writes := 0
		dying := &mail.Outbox{Sender: b.Sender, Renderer: b.Renderer, Log: b.Log, Store: b.open(func(m store.Moment) {
			if m == store.BeforeCommit {
				writes++
			}
			if m == c.moment && writes == c.write {
				panic("killed")
			}
		})}
		func() {
			defer func() { _ = recover() }()
			_, _ = dying.Once(context.Background())
		}()
		_ = dying.Store.Close()
		b.clock.move(time.Minute)
		if _, err := b.Once(context.Background()); err != nil {
			t.Fatal(i, err)
		}
		b.fine(0)
		ids := map[string]bool{}
		for _, m := range s.mails() {
			_, id, _ := strings.Cut(m.text, "Message-ID: ")
			id, _, _ = strings.Cut(id, "\n")
			ids[id] = true
		}
		if n := len(s.mails()); n != c.copies || len(ids) != 1 {
			t.Errorf("%s of write %d: %d copies with %d Message-IDs", c.moment, c.write, n, len(ids))
		}
		if m := b.rows()["one"]; m.State != "sent" {
			t.Errorf("%s of write %d: %s", c.moment, c.write, m.State)
		}
	}
}

// TestStopFinishesTheMailUnderWay: a restart of frama must not send a mail twice.
func TestStopFinishesTheMailUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := startServer(t, behaviour{reply: func(_ int, line string) string {
		if line == "DATA" {
			cancel()
			time.Sleep(50 * time.Millisecond)
		}
		return ""
	}})
	b := newBench(t, optionsFor(s, mail.NoTLS))
	b.enqueue(mail.TemplateReceived, "a@b.example", "one")
	b.enqueue(mail.TemplateReceived, "a@b.example", "two")
	if err := b.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b.state("one", "sent", 1)
	b.state("two", "waiting", 0)
	if b.log.Len() > 0 {
		t.Errorf("log:\n%s", b.log)
	}
}

// TestDatabaseDownAfterHandOver: the outbox remembers what it sent, and notes it before it sends anything else.
func TestDatabaseDownAfterHandOver(t *testing.T) {
	s := startServer(t, behaviour{})
	b := newBench(t, optionsFor(s, mail.NoTLS))
	b.enqueue(mail.TemplateReceived, "a@b.example", "one")
	good := b.Store
	var bad *store.Store
	writes := 0
	bad = b.open(func(m store.Moment) {
		if m == store.AfterCommit {
			if writes++; writes == 1 { // claimed
				_ = bad.Close()
			}
		}
	})
	b.Outbox.Store = bad
	if err := b.once(1); err == nil {
		t.Error("no error")
	}
	b.Outbox.Store = good
	b.clock.move(time.Hour) // the lease is over, too
	b.enqueue(mail.TemplateReceived, "a@b.example", "two")
	b.fine(1)
	b.state("one", "sent", 1)
	b.state("two", "sent", 1)
	if n := len(s.mails()); n != 2 {
		t.Errorf("%d mails arrived", n)
	}
}

func TestTwoOutboxesSendEachMailOnce(t *testing.T) {
	s := startServer(t, behaviour{})
	b := newBench(t, optionsFor(s, mail.NoTLS))
	const mails = 60
	for i := range mails {
		b.enqueue(mail.TemplateReceived, "a@b.example", fmt.Sprint("space-", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for range 4 {
		o := &mail.Outbox{
			Store: b.open(nil), Sender: newSender(t, optionsFor(s, mail.NoTLS)), Renderer: b.Renderer, Now: b.clock.now,
			Log: slog.New(slog.DiscardHandler), Idle: 5 * time.Millisecond,
		}
		all.Go(func() { _ = o.Run(ctx) })
	}
	for len(s.mails()) < mails && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	cancel()
	all.Wait()
	seen := map[string]int{}
	for _, m := range s.mails() {
		read, err := netmail.ReadMessage(strings.NewReader(m.text))
		if err != nil {
			t.Fatal(err)
		}
		seen[read.Header.Get("Message-ID")]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s arrived %d times", id, n)
		}
	}
	if len(seen) != mails {
		t.Errorf("%d mails arrived", len(seen))
	}
	for slug := range b.rows() {
		b.state(slug, "sent", 1)
	}
}
