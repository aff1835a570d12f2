package provisioner

import (
	"context"
	"errors"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// RenewAt is when a certificate is renewed: with a third of its life left, or half when it lives less than ten days
// (Let's Encrypt's advice to integrators).
func RenewAt(notBefore, notAfter time.Time) time.Time {
	life := notAfter.Sub(notBefore)
	if life < 10*24*time.Hour {
		return notBefore.Add(life / 2)
	}
	return notBefore.Add(life * 2 / 3)
}

// RenewalBackoff is the pause after the nth failure in a row: 1, 10, 100 minutes, then a day (Let's Encrypt's advice).
func RenewalBackoff(failures int) time.Duration {
	steps := []time.Duration{time.Minute, 10 * time.Minute, 100 * time.Minute}
	if failures < len(steps) {
		return steps[failures]
	}
	return 24 * time.Hour
}

// renewalLease is longer than the longest issuance, which cannot be cancelled.
const renewalLease = 15 * time.Minute

// Renew renews certificates that are due, one after the other, until ctx ends. Several processes may do so at once.
func (p *Provisioner) Renew(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if _, err := p.RenewDue(ctx); err != nil && ctx.Err() == nil {
			p.Log.Error("renewal", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// RenewDue renews what is due now and says how many it renewed. A certificate that fails stays in use, is tried again
// later, and does not hold up the others.
func (p *Provisioner) RenewDue(ctx context.Context) (renewed int, err error) {
	var due []hosting.Certificate
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		due, err = tx.CertificatesDue(p.Now(), 100)
		return err
	})
	for _, c := range due {
		if ctx.Err() != nil {
			return renewed, errors.Join(err, ctx.Err())
		}
		var mine bool
		claimed := p.Store.Write(ctx, func(tx *store.Tx) (err error) {
			mine, err = tx.ClaimRenewal(c, tx.Now.Add(renewalLease))
			return err
		})
		if claimed != nil || !mine {
			err = errors.Join(err, claimed)
			continue
		}
		if failed := p.issue(ctx, c); failed != nil {
			p.Log.Warn("a certificate was not renewed", "host", c.Host, "attempts", c.Attempts+1, "not_after", c.NotAfter, "error", failed)
			continue
		}
		renewed++
	}
	return renewed, err
}
