package store

import (
	"fmt"

	"framagit.org/frama/frama/services/hosting"
)

const auditColumns = `id, at, actor, ip, action, subject, detail`

func scanAudit(r row) (hosting.AuditEntry, error) {
	var a hosting.AuditEntry
	var at int64
	err := r.Scan(&a.ID, &at, &a.Actor, &a.IP, &a.Action, &a.Subject, &a.Detail)
	a.At = instant(at)
	return a, err
}

// Audit writes one line of the audit log. There is no way to change or remove one.
func (tx *Tx) Audit(actor hosting.Actor, action, subject, detail string) error {
	_, err := tx.exec(`INSERT INTO audit (`+auditColumns+`, search) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		tx.NewID(), micros(tx.Now), actor.Name, actor.IP, action, short(subject), detail,
		searchText(actor.Name, actor.IP, action, subject, detail))
	return err
}

// AuditOf returns what happened to the subjects, newest first.
func (tx *Tx) AuditOf(subjects ...string) ([]hosting.AuditEntry, error) {
	w := where{}
	for _, s := range subjects {
		w.add("subject = $%d", short(s))
	}
	return many(tx, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE `+joinOr(w.parts)+` ORDER BY at DESC, id DESC LIMIT 200`,
		w.args...)
}

// AuditLog returns a page of the log, newest first, and how many entries match.
func (tx *Tx) AuditLog(text string, offset, limit int) ([]hosting.AuditEntry, int, error) {
	w := where{}
	w.search(text)
	total, err := one(tx, value[int], `SELECT COUNT(*) FROM audit `+w.sql(), w.args...)
	if err != nil {
		return nil, 0, err
	}
	page, err := many(tx, scanAudit, fmt.Sprintf(`SELECT `+auditColumns+` FROM audit %s ORDER BY at DESC, id DESC LIMIT %d OFFSET %d`,
		w.sql(), limit, offset), w.args...)
	return page, total, err
}
