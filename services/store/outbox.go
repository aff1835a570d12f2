package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// Mail is a row of the outbox: a template with its arguments, rendered when it is sent.
type Mail struct {
	ID          string
	MessageID   string // header Message-ID without angle brackets, the same for every attempt
	Recipient   string
	Lang        string
	Template    string
	Args        map[string]string
	RequestID   string // whose links the template may use
	State       string // waiting, sent, failed
	Attempts    int
	NextAttempt time.Time
	LastError   string
	CreatedAt   time.Time
	SentAt      time.Time
}

// Enqueue puts a mail into the outbox. Its ID, Message-ID and times are set here; domain is that of the Message-ID.
func (tx *Tx) Enqueue(m Mail, domain string) error { return tx.EnqueueAs(tx.NewID(), m, domain) }

// EnqueueAs is Enqueue with an ID that the caller made with NewID, to look later what became of the mail.
func (tx *Tx) EnqueueAs(id string, m Mail, domain string) error {
	args, err := json.Marshal(m.Args)
	if err != nil {
		return fmt.Errorf("encode a mail's arguments: %w", err)
	}
	_, err = tx.exec(`INSERT INTO outbox (id, message_id, recipient, lang, template, args, request_id, state, next_attempt, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $8)`,
		id, id+"@"+domain, m.Recipient, m.Lang, m.Template, string(args), m.RequestID, micros(tx.Now))
	return err
}

const mailColumns = `id, message_id, recipient, lang, template, args, request_id, state, attempts, next_attempt, last_error,
	created_at, sent_at`

func scanMail(r row) (Mail, error) {
	var m Mail
	var args string
	var next, created, sent int64
	err := r.Scan(&m.ID, &m.MessageID, &m.Recipient, &m.Lang, &m.Template, &args, &m.RequestID, &m.State, &m.Attempts, &next,
		&m.LastError, &created, &sent)
	if err != nil {
		return m, err
	}
	m.NextAttempt, m.CreatedAt, m.SentAt = instant(next), instant(created), instant(sent)
	if err := json.Unmarshal([]byte(args), &m.Args); err != nil {
		return m, fmt.Errorf("arguments of mail %s: %w", m.ID, err)
	}
	return m, nil
}

// Mail returns one mail of the outbox.
func (tx *Tx) Mail(id string) (Mail, error) {
	return one(tx, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE id = $1`, id)
}

// MailsDue returns mails to send now, oldest first.
func (tx *Tx) MailsDue(limit int) ([]Mail, error) {
	return many(tx, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE state = 'waiting' AND next_attempt <= $1
		ORDER BY next_attempt, id LIMIT $2`, micros(tx.Now), limit)
}

// ClaimMail takes a due mail for one attempt, until the lease ends; false when another process was faster. The attempt
// is counted before the hand-over, so a mail that kills its sender is not sent for ever.
func (tx *Tx) ClaimMail(id string, lease time.Duration) (bool, error) {
	n, err := tx.exec(`UPDATE outbox SET attempts = attempts + 1, next_attempt = $1
		WHERE id = $2 AND state = 'waiting' AND next_attempt <= $3`, micros(tx.Now.Add(lease)), id, micros(tx.Now))
	return n == 1, err
}

// MailSent marks a mail as handed over.
func (tx *Tx) MailSent(id string) error {
	return tx.must(`UPDATE outbox SET state = 'sent', sent_at = $1, last_error = '' WHERE id = $2`, micros(tx.Now), id)
}

// MailFailed notes why a mail could not be handed over and when to try again; zero next gives it up. ErrStale when
// another process has sent it since.
func (tx *Tx) MailFailed(id, message string, next time.Time) error {
	state := "waiting"
	if next.IsZero() {
		state = "failed"
	}
	return tx.must(`UPDATE outbox SET state = $1, last_error = $2, next_attempt = $3 WHERE id = $4 AND state = 'waiting'`,
		state, message, micros(next), id)
}

// Mails returns the newest mails in a state, or all, for people who look after the outbox.
func (tx *Tx) Mails(state string, limit int) ([]Mail, error) {
	return many(tx, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE $1 = '' OR state = $1 ORDER BY id DESC LIMIT $2`, state, limit)
}
