package mail_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/services/mail"
)

func TestSenderRefusedCostsNoAttempt(t *testing.T) {
	answer := "550 5.7.1 not your address"
	s := startServer(t, behaviour{reply: func(_ int, line string) string {
		if strings.HasPrefix(line, "MAIL") {
			return answer
		}
		return ""
	}})
	b := newBench(t, optionsFor(s, mail.NoTLS))
	b.enqueue(mail.TemplateReceived, "a@b.example", "one")
	if err := b.once(0); err == nil || !strings.Contains(err.Error(), "not your address") {
		t.Error(err)
	}
	b.state("one", "waiting", 0)
	answer = ""
	b.fine(1)
	b.state("one", "sent", 1)
}

func TestAnswersOfTheServer(t *testing.T) {
	for name, c := range map[string]struct {
		stage, answer, state string
		log                  string
	}{
		"recipient busy":         {"RCPT", "451 4.7.1 greylisted, come back", "waiting", "tried again"},
		"recipient unknown":      {"RCPT", "550 5.1.1 no such user <bad@b.example>", "failed", "another way"},
		"mailbox full":           {"RCPT", "552 5.2.2 mailbox full", "failed", "another way"},
		"relaying denied":        {"RCPT", "550 relay not permitted", "waiting", "smtp.username"},
		"policy":                 {"RCPT", "554 5.7.1 rejected by policy", "waiting", "SPF"},
		"authentication wanted":  {"RCPT", "530 5.7.0 sign in first", "waiting", "smtp.username"},
		"no data now":            {"DATA", "451 try later", "waiting", "tried again"},
		"content refused":        {".", "554 5.6.0 looks like spam", "failed", "spam filters"},
		"content deferred":       {".", "452 disk full", "waiting", "tried again"},
		"leaving at recipient":   {"RCPT", "421 closing", "waiting", "tried again"},
		"hangs up at recipient":  {"RCPT", "close", "waiting", "tried again"},
		"hangs up at content":    {".", "close", "waiting", "same Message-ID"},
		"hangs at recipient":     {"RCPT", "hang", "waiting", "mail server's log"},
		"hangs at end of a mail": {".", "hang", "waiting", "same Message-ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			bad := false
			s := startServer(t, behaviour{reply: func(_ int, line string) string {
				mu.Lock()
				defer mu.Unlock()
				if strings.HasPrefix(line, "RCPT") {
					bad = strings.Contains(line, "bad@")
				}
				if bad && strings.HasPrefix(line, c.stage) {
					return c.answer
				}
				return ""
			}})
			o := optionsFor(s, mail.NoTLS)
			if c.answer == "hang" {
				o.Timeout = quick
			}
			b := newBench(t, o)
			b.enqueue(mail.TemplateReceived, "first@b.example", "first")
			b.enqueue(mail.TemplateReceived, "bad@b.example", "bad")
			b.enqueue(mail.TemplateReceived, "last@b.example", "last")
			b.fine(2)
			b.state("first", "sent", 1)
			b.state("last", "sent", 1)
			m := b.state("bad", c.state, 1)
			if c.state == "waiting" && !m.NextAttempt.Equal(b.clock.now().Add(time.Minute)) {
				t.Errorf("next attempt %v", m.NextAttempt)
			}
			if strings.Contains(m.LastError+b.log.String(), "bad@b.example") {
				t.Errorf("the address is in %q or in the log", m.LastError)
			}
			if log := b.log.String(); !strings.Contains(m.LastError, c.log) || !strings.Contains(log, c.log) || strings.Count(log, "\n") != 1 {
				t.Errorf("%q, log:\n%s", m.LastError, log)
			}
			if c.state == "failed" {
				return
			}
			b.fine(0) // not before its time
			mu.Lock()
			c.stage = "never"
			mu.Unlock()
			b.clock.move(time.Minute)
			b.fine(1)
			b.state("bad", "sent", 2)
		})
	}
}

// TestServerAcceptsThenLeaves: the mail is sent, whatever happens after.
func TestServerAcceptsThenLeaves(t *testing.T) {
	s := startServer(t, behaviour{reply: func(_ int, line string) string {
		if line == "." {
			return "take and close"
		}
		return ""
	}})
	b := newBench(t, optionsFor(s, mail.NoTLS))
	b.enqueue(mail.TemplateReceived, "a@b.example", "one")
	b.enqueue(mail.TemplateReceived, "a@b.example", "two")
	b.fine(2)
	b.state("one", "sent", 1)
	b.state("two", "sent", 1)
	if n := len(s.mails()); n != 2 {
		t.Errorf("%d mails", n)
	}
}

func TestServerThatAlwaysHangsEndsTheBatch(t *testing.T) {
	s := startServer(t, behaviour{reply: func(_ int, line string) string {
		if line == "DATA" {
			return "hang"
		}
		return ""
	}})
	o := optionsFor(s, mail.NoTLS)
	o.Timeout = quick
	b := newBench(t, o)
	for i := range 6 {
		b.enqueue(mail.TemplateReceived, "a@b.example", fmt.Sprint("space-", i))
	}
	if err := b.once(0); err == nil {
		t.Error("no error")
	}
	attempts := 0
	for _, m := range b.rows() {
		attempts += m.Attempts
	}
	if attempts != 2 {
		t.Errorf("%d attempts", attempts)
	}
}

func TestServerThatTakesFewMailsOverOneConnection(t *testing.T) {
	for _, how := range []string{"421 4.7.0 enough", "close"} {
		var mu sync.Mutex
		begun := map[int]int{}
		s := startServer(t, behaviour{reply: func(session int, line string) string {
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(line, "MAIL") {
				if begun[session]++; begun[session] > 3 {
					return how
				}
			}
			return ""
		}})
		b := newBench(t, optionsFor(s, mail.NoTLS))
		for i := range 8 {
			b.enqueue(mail.TemplateReceived, "a@b.example", fmt.Sprint("space-", i))
		}
		b.fine(8)
		for slug := range b.rows() {
			b.state(slug, "sent", 1)
		}
		if n := s.sessionCount(); n != 3 {
			t.Errorf("%s: %d connections", how, n)
		}
	}
}
