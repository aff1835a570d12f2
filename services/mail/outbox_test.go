package mail_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/services/mail"
)

func TestOneConnectionForABatch(t *testing.T) {
	s := startServer(t, behaviour{})
	b := newBench(t, optionsFor(s, mail.StartTLS))
	for i := range 12 {
		b.enqueue(mail.TemplateReceived, "a@b.example", fmt.Sprint("space-", i))
	}
	b.fine(12)
	if n := s.sessionCount(); n != 1 {
		t.Errorf("%d connections", n)
	}
	b.fine(0)
	if n := s.sessionCount(); n != 1 {
		t.Error("connected although nothing was due")
	}
}

func TestServerDownThenUp(t *testing.T) {
	s := startServer(t, behaviour{})
	o := optionsFor(s, mail.NoTLS)
	s.stop()
	b := newBench(t, o)
	for i := range 5 {
		b.enqueue(mail.TemplateReceived, "a@b.example", fmt.Sprint("space-", i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	time.Sleep(150 * time.Millisecond) // several tries
	again := startServerAt(t, fmt.Sprintf("127.0.0.1:%d", o.Port), behaviour{})
	for range 200 {
		if len(again.mails()) == 5 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for slug := range b.rows() {
		b.state(slug, "sent", 1)
	}
	log := b.log.String()
	if strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "Start the mail server") ||
		strings.Count(log, "mails can be sent again") != 1 || strings.Count(log, "\n") != 2 {
		t.Errorf("log:\n%s", log)
	}
}

func TestBadArgumentsBlockNobody(t *testing.T) {
	s := startServer(t, behaviour{})
	b := newBench(t, optionsFor(s, mail.NoTLS))
	b.enqueue("nonsense", "a@b.example", "nonsense")
	b.enqueue(mail.TemplateReceived, "not an address", "nowhere")
	b.enqueue(mail.TemplateReceived, "a@b.example", "good")
	b.fine(1)
	b.state("good", "sent", 1)
	b.state("nowhere", "failed", 1)
	b.state("nonsense", "waiting", 1)
	if !strings.Contains(b.log.String(), "report it") {
		t.Errorf("log:\n%s", b.log)
	}
}

func TestGivenUpAfterFiveDays(t *testing.T) {
	start := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	now, waits := start, []time.Duration{}
	for attempt := 1; ; attempt++ {
		next, again := mail.Schedule(attempt, now)
		if !again {
			break
		}
		waits = append(waits, next.Sub(now))
		now = next
	}
	if fmt.Sprint(waits[:5]) != "[1m0s 5m0s 15m0s 1h0m0s 1h0m0s]" {
		t.Error(waits[:5])
	}
	if d := now.Sub(start); d < 5*24*time.Hour || d > 5*24*time.Hour+time.Hour {
		t.Errorf("given up after %v", d)
	}
}
