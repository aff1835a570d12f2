package mail

import (
	"context"
	"fmt"
	"time"

	"framagit.org/frama/frama/services/store"
)

// session is one batch of an outbox: one connection, made when the first mail needs it.
type session struct {
	outbox *Outbox
	conn   *connection
	breaks int // hand-overs in a row at which the connection broke
}

// maxBreaks is how many mails may break their connection before the server is to blame, and the batch ends. One may be
// the fault of the mail, which must not keep back the others.
const maxBreaks = 2

func (s *session) close() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
}

// ready makes sure that there is a connection over which the next mail is begun. Servers take only so many mails over
// one, so a connection that has ended is replaced once.
func (s *session) ready(ctx context.Context) error {
	for fresh := false; ; {
		if s.conn == nil || s.conn.broken {
			s.close()
			conn, err := s.outbox.Sender.connect(ctx)
			if err != nil {
				return err
			}
			s.conn, fresh = conn, true
		}
		err := s.conn.begin(ctx)
		if err == nil || fresh || verdictOf(err) != Stale {
			return err
		}
	}
}

// deliver hands over one mail and notes in its row what became of it. It says whether the server took the mail; its
// errors concern all mails.
//
// The order matters. It connects first, so that a server that is down costs no mail an attempt. It claims next, so that
// no other process has the mail. From there on it does not stop when ctx ends: what was begun is finished and noted.
func (s *session) deliver(ctx context.Context, m store.Mail) (sent bool, err error) {
	message, problem := s.outbox.Renderer.Render(m)
	if problem == nil {
		if err := s.ready(ctx); err != nil {
			return false, err
		}
	}
	if claimed, err := s.claim(ctx, m.ID); err != nil || !claimed {
		return false, err
	}
	m.Attempts++
	ctx = context.WithoutCancel(ctx)
	if problem == nil {
		message.Date = s.outbox.now()
		problem = s.conn.send(ctx, message)
	}
	if problem != nil {
		return false, s.failed(ctx, m, problem)
	}
	return true, s.sent(ctx, m)
}

// claim takes a mail for longer than a hand-over may last.
func (s *session) claim(ctx context.Context, id string) (claimed bool, err error) {
	sender := s.outbox.Sender
	err = s.outbox.Store.Write(ctx, func(tx *store.Tx) (err error) {
		claimed, err = tx.ClaimMail(id, sender.longest()+sender.options.Timeout)
		return err
	})
	return claimed, err
}

// sent notes a mail as sent. It insists for a moment, since the mail is sent twice should the process end before.
func (s *session) sent(ctx context.Context, m store.Mail) error {
	o := s.outbox
	s.breaks = 0
	o.relieved()
	o.Log.Debug("mail sent", "mail", m.ID, "template", m.Template, "attempts", m.Attempts)
	o.unmarked = append(o.unmarked, m.ID)
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err := o.settle(ctx)
		if err == nil || pause > time.Second {
			return err
		}
		time.Sleep(pause)
	}
}

// failed notes why a mail was not taken and when it is tried next. It returns an error when no other mail would fare
// better.
func (s *session) failed(ctx context.Context, m store.Mail, problem error) error {
	o, verdict := s.outbox, verdictOf(problem)
	var next time.Time
	again := false
	err := o.Store.Write(ctx, func(tx *store.Tx) error {
		if next, again = schedule(m.Attempts, tx.Now); verdict == Refused || !again {
			next, again = time.Time{}, false
		}
		return tx.MailFailed(m.ID, problem.Error(), next)
	})
	if err != nil {
		return fmt.Errorf("note that mail %s was not sent: %w", m.ID, err)
	}
	log := o.Log.With("mail", m.ID, "template", m.Template, "attempts", m.Attempts, "error", cause(problem), "do", advice(problem))
	switch {
	case !again:
		log.Error("mail given up; its row is kept")
	case m.Attempts == 1 && o.trouble == "":
		log.Warn("mail not sent yet", "next", next)
	}
	if verdict == Broken {
		if s.breaks++; s.breaks == maxBreaks {
			return problem
		}
		return nil
	}
	s.breaks = 0
	return nil
}
