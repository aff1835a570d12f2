package store

import (
	"errors"
	"strconv"
	"time"

	"framagit.org/frama/frama/services/hosting"
)

const retainedColumns = `id, instance_id, metric, object, changed_at, unused, announced_at, remove_at, mail_id, state, ended_at,
	keep_until, file, problem`

func scanRetained(r row) (hosting.Retained, error) {
	var o hosting.Retained
	var changed, unused, announced, remove, ended, keep int64
	err := r.Scan(&o.ID, &o.InstanceID, &o.Metric, &o.Object, &changed, &unused, &announced, &remove, &o.MailID, &o.State, &ended,
		&keep, &o.File, &o.Problem)
	o.ChangedAt, o.AnnouncedAt, o.RemoveAt, o.EndedAt = instant(changed), instant(announced), instant(remove), instant(ended)
	o.Unused, o.KeepUntil = time.Duration(unused)*time.Second, instant(keep)
	return o, err
}

// InstancesToRetain returns instances of active spaces of associations whose content it is time to look at: those of the
// applications, and those with objects that were announced, in the order of their IDs, those after the given one.
func (tx *Tx) InstancesToRetain(apps []string, after string, limit int) ([]hosting.Instance, error) {
	return many(tx, scanInstance, `SELECT `+instanceColumns+` FROM instance
		WHERE id > $1 AND space_id IN (SELECT id FROM space WHERE state = 'active' AND shared = 0)
		AND NOT EXISTS (SELECT 1 FROM retention_look l WHERE l.instance_id = instance.id AND (l.next_at > $2 OR l.busy_until > $2))
		AND (EXISTS (SELECT 1 FROM retention r WHERE r.instance_id = instance.id AND r.state IN ('announced', 'exported'))
			OR app IN (`+marks(len(apps), 4)+`)) ORDER BY id LIMIT $3`,
		append([]any{after, micros(tx.Now), limit}, list(apps)...)...)
}

// marks are placeholders for a few values, none of which is no value at all.
func marks(n, first int) string {
	text := "NULL"
	for k := range n {
		text += ", $" + strconv.Itoa(first+k)
	}
	return text
}

// ClaimRetention takes an instance to look at its content, unless somebody else does or its time has not come: nobody else
// gets it before the lease ends or FinishRetention is called. Whoever cannot wait for its time takes it now.
func (tx *Tx) ClaimRetention(instance string, next time.Time, lease time.Duration, now bool) (bool, error) {
	before := tx.Now
	if now {
		before = time.UnixMicro(1 << 62)
	}
	n, err := tx.exec(`INSERT INTO retention_look (instance_id, at, next_at, busy_until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (instance_id) DO UPDATE SET at = excluded.at, next_at = excluded.next_at, busy_until = excluded.busy_until
		WHERE retention_look.busy_until <= $2 AND retention_look.next_at <= $5`,
		instance, micros(tx.Now), micros(next), micros(tx.Now.Add(lease)), micros(before))
	return n == 1, err
}

// FinishRetention notes how a look went, and gives the instance back.
func (tx *Tx) FinishRetention(l hosting.RetentionLook) error {
	return tx.must(`UPDATE retention_look SET busy_until = 0, objects = $1, unread = $2, problem = $3, after = $4 WHERE instance_id = $5`,
		l.Objects, l.Unread, l.Problem, l.After, l.InstanceID)
}

const lookColumns = `instance_id, at, next_at, objects, unread, problem, after`

func scanLook(r row) (l hosting.RetentionLook, err error) {
	var at, next int64
	err = r.Scan(&l.InstanceID, &at, &next, &l.Objects, &l.Unread, &l.Problem, &l.After)
	l.At, l.NextAt = instant(at), instant(next)
	return l, err
}

// RetentionLooks returns how the last looks at the instances of a space went.
func (tx *Tx) RetentionLooks(space string) ([]hosting.RetentionLook, error) {
	return many(tx, scanLook, `SELECT `+lookColumns+` FROM retention_look
		WHERE instance_id IN (SELECT id FROM instance WHERE space_id = $1) ORDER BY instance_id`, space)
}

// RetentionLook returns how the last look at an instance went.
func (tx *Tx) RetentionLook(instance string) (hosting.RetentionLook, error) {
	return one(tx, scanLook, `SELECT `+lookColumns+` FROM retention_look WHERE instance_id = $1`, instance)
}

// Announce notes objects that are to be removed; ErrTaken when one of them was announced already.
func (tx *Tx) Announce(objects []hosting.Retained) error {
	return inBatches(objects, func(_ int, some []hosting.Retained) error {
		var args []any
		for _, o := range some {
			args = append(args, o.ID, o.InstanceID, o.Metric, o.Object, micros(o.ChangedAt), int64(o.Unused/time.Second), micros(o.AnnouncedAt),
				micros(o.RemoveAt), o.MailID, string(hosting.RetentionAnnounced))
		}
		_, err := tx.exec(`INSERT INTO retention (id, instance_id, metric, object, changed_at, unused, announced_at, remove_at, mail_id, state)
			VALUES `+tx.rows(len(some), 10), args...)
		return err
	})
}

// OpenRetained returns the objects of an instance to which something is still to happen, the first to be removed first.
func (tx *Tx) OpenRetained(instance string) ([]hosting.Retained, error) {
	return many(tx, scanRetained, `SELECT `+retainedColumns+` FROM retention WHERE instance_id = $1 AND state IN ('announced', 'exported')
		ORDER BY remove_at, id`, instance)
}

// WishedToKeep returns the objects of a kind that the association of an instance wants to keep for now.
func (tx *Tx) WishedToKeep(instance, metric string) ([]string, error) {
	return many(tx, value[string], `SELECT DISTINCT object FROM retention WHERE instance_id = $1 AND metric = $2 AND keep_until > $3`,
		instance, metric, micros(tx.Now))
}

// LastAnnounced says when objects of a kind were last announced; zero for never.
func (tx *Tx) LastAnnounced(instance, metric string) (time.Time, error) {
	at, err := one(tx, value[int64], `SELECT COALESCE(MAX(announced_at), 0) FROM retention WHERE instance_id = $1 AND metric = $2`, instance, metric)
	return instant(at), err
}

// MoveRetained gives an object another state, its file and its problem; ErrStale when its state is not what o says any more. An
// object that the association wants to keep is not announced again, but kept.
func (tx *Tx) MoveRetained(o hosting.Retained, to hosting.RetentionState) error {
	ended := int64(0)
	if !to.Open() {
		ended = micros(tx.Now)
	}
	return tx.must(`UPDATE retention SET state = CASE WHEN keep_until > $1 AND $2 = 'announced' THEN 'kept' ELSE $2 END,
		ended_at = CASE WHEN keep_until > $1 AND $2 = 'announced' THEN $1 ELSE $3 END, file = $4, problem = $5 WHERE id = $6 AND state = $7`,
		micros(tx.Now), string(to), ended, o.File, o.Problem, o.ID, string(o.State))
}

// Postpone notes that an announced object was announced later than was thought, with the mail about it.
func (tx *Tx) Postpone(o hosting.Retained, announced time.Time) error {
	return tx.must(`UPDATE retention SET announced_at = $1, remove_at = remove_at + ($1 - announced_at) WHERE id = $2 AND state = 'announced'`,
		micros(announced), o.ID)
}

// AuditRemoved says how many objects of an instance were removed since it was last asked. Each is told of once.
func (tx *Tx) AuditRemoved(instance string) (int, error) {
	n, err := tx.exec(`UPDATE retention SET audited = 1 WHERE instance_id = $1 AND state = 'removed' AND audited = 0`, instance)
	return int(n), err
}

// KeepAll keeps what was announced of a space, each object for as long again as it went unused, and returns how many there
// were. What is being removed this very moment is not kept by it, unless its removal fails.
func (tx *Tx) KeepAll(space string) (int, error) {
	n, err := tx.exec(`UPDATE retention SET keep_until = $1 + unused * 1000000,
		ended_at = CASE WHEN state = 'announced' THEN $1 ELSE 0 END, state = CASE WHEN state = 'announced' THEN 'kept' ELSE state END
		WHERE state IN ('announced', 'exported') AND instance_id IN (SELECT id FROM instance WHERE space_id = $2)`, micros(tx.Now), space)
	return int(n), err
}

// RetainedOf returns what rules of retention were about in a space, what is still to be removed first, then the newest.
func (tx *Tx) RetainedOf(space string, limit int) ([]hosting.Retained, error) {
	return many(tx, scanRetained, `SELECT `+retainedColumns+` FROM retention WHERE instance_id IN (SELECT id FROM instance WHERE space_id = $1)
		ORDER BY CASE WHEN state IN ('announced', 'exported') THEN 0 ELSE 1 END,
			CASE WHEN state IN ('announced', 'exported') THEN remove_at ELSE -ended_at END, id LIMIT $2`, space, limit)
}

// SpacesRetained returns the spaces with objects to which something is still to happen, or whose last look had a problem, in
// the order of their handles.
func (tx *Tx) SpacesRetained(limit int) ([]hosting.Space, error) {
	return many(tx, scanSpace, `SELECT `+spaceColumns+` FROM space WHERE id IN (SELECT space_id FROM instance WHERE id IN (
		SELECT instance_id FROM retention WHERE state IN ('announced', 'exported') UNION SELECT instance_id FROM retention_look WHERE problem <> ''))
		ORDER BY handle LIMIT $1`, limit)
}

// Announced says whether the mail that announced an object was handed over, and when.
func (tx *Tx) Announced(o hosting.Retained) (at time.Time, sent bool, err error) {
	m, err := tx.Mail(o.MailID)
	if errors.Is(err, ErrNotFound) {
		return at, false, nil
	}
	return m.SentAt, m.State == "sent", err
}
