package retain

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
)

// maxNamed is how many objects a mail names.
const maxNamed = 20

// announce tells the association of objects that nobody changed for long enough, all in one mail.
func (l *look) announce(ctx context.Context, k kind, names []string) error {
	skip := map[string]bool{}
	for _, o := range l.open {
		skip[o.Object] = skip[o.Object] || o.Metric == k.Metric
	}
	var last time.Time
	err := l.Store.Read(ctx, func(tx *store.Tx) (err error) {
		if last, err = tx.LastAnnounced(l.ID, k.Metric); err != nil {
			return err
		}
		wished, err := tx.WishedToKeep(l.ID, k.Metric)
		for _, name := range wished {
			skip[name] = true
		}
		return err
	})
	if err != nil || !last.IsZero() && l.now.Sub(last) < announceEvery && !l.ask.Dry {
		return err
	}
	unused, problem := l.unused(ctx, k, names, skip)
	l.Unused += len(unused)
	if len(unused) == 0 || l.ask.Dry {
		return problem
	}
	// What was found before the time was over is announced all the same.
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := l.Store.Write(rest, func(tx *store.Tx) error { return l.tell(tx, k, unused) }); err != nil {
		return err
	}
	l.Announced += len(unused)
	l.at("announced")
	return problem
}

// unused finds the objects that nobody changed for long enough. It begins where the last look ended for lack of time.
func (l *look) unused(ctx context.Context, k kind, names []string, skip map[string]bool) (found []hosting.Retained, problem error) {
	if prior, ok := strings.CutPrefix(l.prior, k.Metric+":"); ok {
		at, met := slices.BinarySearch(names, prior)
		if met {
			at++
		}
		names = slices.Concat(names[at:], names[:at])
	}
	failures := 0
	for n, name := range names {
		if skip[name] {
			continue
		}
		at, err := l.changed(ctx, k, name)
		if ctx.Err() != nil {
			if l.after = l.prior; n > 0 {
				l.after = k.Metric + ":" + names[n-1]
			}
			return found, nil
		}
		if err != nil {
			l.Unread++
			if problem == nil {
				problem = fmt.Errorf("of one or more it cannot be said when they were changed, and they stay; the first: %w", err)
			}
			if failures++; failures == failuresInARow*4 {
				l.after = k.Metric + ":" + name
				return found, problem
			}
			continue
		}
		failures = 0
		if l.now.Sub(at) >= k.Unused {
			found = append(found, hosting.Retained{InstanceID: l.ID, Metric: k.Metric, Object: name, ChangedAt: at, Unused: k.Unused})
		}
	}
	return found, problem
}

// tell notes the objects and the mail about them, together.
func (l *look) tell(tx *store.Tx, k kind, objects []hosting.Retained) error {
	id, remove := tx.NewID(), tx.Now.Add(k.Announce)
	var named []string
	for n := range objects {
		o := &objects[n]
		o.ID, o.AnnouncedAt, o.RemoveAt, o.MailID = tx.NewID(), tx.Now, remove, id
		if n < maxNamed {
			named = append(named, o.Object)
		}
	}
	if err := tx.Announce(objects); err != nil {
		return err
	}
	names, err := json.Marshal(named)
	if err != nil {
		return fmt.Errorf("encode names for a mail: %w", err)
	}
	addresses, err := mail.EncodeAddresses([]mail.Address{{Title: l.title, URL: l.URL(l.Instance.Host)}})
	if err != nil {
		return err
	}
	q, err := tx.Request(l.space.RequestID)
	if err != nil {
		return fmt.Errorf("the request of the space %s: %w", l.space.Handle, err)
	}
	days := func(d time.Duration) string { return strconv.Itoa(int(d / (24 * time.Hour))) }
	err = tx.EnqueueAs(id, store.Mail{
		Recipient: l.space.Email, Lang: l.space.Lang, Template: mail.TemplateRetention, RequestID: q.ID, Args: map[string]string{
			mail.ArgAssociation: l.space.Name, mail.ArgContact: q.Contact.Name, mail.ArgSlug: l.space.Slug, mail.ArgMetric: k.Metric,
			mail.ArgCount: strconv.Itoa(len(objects)), mail.ArgObjects: string(names), mail.ArgUnusedDays: days(k.Unused),
			mail.ArgUntil: remove.Format(time.RFC3339), mail.ArgAddresses: addresses,
		},
	}, l.MailDomain)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("%s: %d %s, to be removed from %s on", l.Instance.Host, len(objects), k.Metric, remove.Format(time.DateOnly))
	return tx.Audit(frama, "retention.announce", "space:"+l.SpaceID, detail)
}
