package mail_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/seal"
	"framagit.org/frama/frama/services/store"
)

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) move(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// bench is an outbox on a database of its own.
type bench struct {
	*mail.Outbox
	t     *testing.T
	path  string
	clock *clock
	log   *bytes.Buffer
}

func newBench(t *testing.T, o mail.Options) *bench {
	t.Helper()
	b := &bench{
		t: t, path: filepath.Join(t.TempDir(), "frama.db"), log: &bytes.Buffer{},
		clock: &clock{t: time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)},
	}
	b.Outbox = &mail.Outbox{
		Store: b.open(nil), Sender: newSender(t, o), Renderer: newRenderer(t), Now: b.clock.now, Idle: 10 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	if _, err := b.Store.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) open(hook func(store.Moment)) *store.Store {
	b.t.Helper()
	key, err := seal.New(make([]byte, seal.Size))
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := store.Open(context.Background(), "sqlite:"+b.path, store.Options{
		Now: b.clock.now, NewID: func() string { return uuid.Must(uuid.NewV7()).String() }, Seal: key, Hook: hook,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { s.Close() })
	return s
}

// enqueue adds a mail whose space's name is slug.
func (b *bench) enqueue(template, recipient, slug string) {
	b.t.Helper()
	m := sample(template, "fr")
	m.Recipient, m.Args[mail.ArgSlug] = recipient, slug
	err := b.Store.Write(context.Background(), func(tx *store.Tx) error { return tx.Enqueue(m, "frama.example") })
	if err != nil {
		b.t.Fatal(err)
	}
}

// rows returns the outbox by slug.
func (b *bench) rows() map[string]store.Mail {
	b.t.Helper()
	rows := map[string]store.Mail{}
	err := b.Store.Read(context.Background(), func(tx *store.Tx) error {
		all, err := tx.Mails("", 10_000)
		for _, m := range all {
			rows[m.Args[mail.ArgSlug]] = m
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return rows
}

func (b *bench) once(want int) error {
	b.t.Helper()
	n, err := b.Once(context.Background())
	if n != want {
		b.t.Errorf("sent %d mails, expected %d (%v)", n, want, err)
	}
	return err
}

func (b *bench) fine(want int) {
	b.t.Helper()
	if err := b.once(want); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) state(slug, state string, attempts int) store.Mail {
	b.t.Helper()
	m := b.rows()[slug]
	if m.State != state || m.Attempts != attempts {
		b.t.Errorf("%s is %s after %d attempts (%s), expected %s after %d", slug, m.State, m.Attempts, m.LastError, state, attempts)
	}
	return m
}
