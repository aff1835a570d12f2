package provisioner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
)

// BackingGrace is how long retired data stays before it may be purged.
const BackingGrace = 30 * 24 * time.Hour

// errOneForAll says that a server's instances share one account.
var errOneForAll = errors.New("all instances use one account there, which is in the configuration")

// RotateBacking gives an instance a new password for a server. The password to come is in the job's variable before the
// server takes it, and becomes the job's after: wherever this is cut short, the next call goes on there. Nomad then
// restarts the tasks whose templates name it.
func (p *Provisioner) RotateBacking(ctx context.Context, actor hosting.Actor, id string) error {
	return p.holding(ctx, id, holdFor, func(ctx context.Context, h held) error {
		if h.State != hosting.BackingMade && h.State != hosting.BackingRotating {
			return p.unfit(h, "rotated")
		}
		fresh := h.server.Secrets(h.InstanceID, rand.Reader)
		if len(fresh) == 0 {
			return &RefusedError{Reason: fmt.Sprintf("%s on %s", h.Service, h.Server), Err: errOneForAll}
		}
		keys := slices.Collect(maps.Keys(fresh))
		err := p.Cluster.ChangeSecrets(ctx, h.instance.Job, func(items map[string]string) {
			if pick(items, keys, next) == nil && h.State == hosting.BackingMade {
				for k, v := range fresh {
					items[k+next] = v
				}
			}
		})
		if err != nil {
			return err
		}
		if err := p.moveBacking(ctx, actor, h, hosting.BackingRotating, "backing.rotate"); err != nil {
			return err
		}
		return p.settle(ctx, h)
	})
}

// RetireBacking closes what an instance has on a server and sets the data aside. Nothing is deleted.
func (p *Provisioner) RetireBacking(ctx context.Context, actor hosting.Actor, id string) error {
	return p.holding(ctx, id, holdFor, func(ctx context.Context, h held) error {
		if h.State == hosting.BackingRetired {
			return nil
		}
		if h.State == hosting.BackingPurging || h.State == hosting.BackingPurged {
			return p.unfit(h, "retired")
		}
		err := p.Store.Write(ctx, func(tx *store.Tx) (err error) {
			h.SetAside, err = tx.SetAsideBacking(h.ID, h.server.Aside(h.Name, tx.Now))
			return err
		})
		if err != nil {
			return err
		}
		if err := p.moveBacking(ctx, actor, h, hosting.BackingRetiring, "backing.retire"); err != nil {
			return err
		}
		// Not the catalogue's grant: the application may be gone from it.
		if err := h.server.Retire(ctx, Grant{Instance: h.InstanceID, Name: h.Name, SetAside: h.SetAside}); err != nil {
			return err
		}
		return p.moveBacking(ctx, actor, h, hosting.BackingRetired, "")
	})
}

// RestoreBacking undoes RetireBacking.
func (p *Provisioner) RestoreBacking(ctx context.Context, actor hosting.Actor, id string) error {
	return p.holding(ctx, id, holdFor, func(ctx context.Context, h held) error {
		if !slices.Contains([]hosting.BackingState{hosting.BackingRetiring, hosting.BackingRetired, hosting.BackingRestoring}, h.State) {
			return p.unfit(h, "restored")
		}
		if err := p.moveBacking(ctx, actor, h, hosting.BackingRestoring, "backing.restore"); err != nil {
			return err
		}
		if err := h.server.Restore(ctx, Grant{Instance: h.InstanceID, Name: h.Name, SetAside: h.SetAside}); err != nil {
			return err
		}
		return p.settle(ctx, h)
	})
}

// PurgeBacking deletes what was retired at least BackingGrace ago, or at any time when it must be now.
func (p *Provisioner) PurgeBacking(ctx context.Context, actor hosting.Actor, id string, now bool) error {
	return p.holding(ctx, id, 10*time.Minute, func(ctx context.Context, h held) error {
		switch {
		case h.State == hosting.BackingPurged:
			return nil
		case h.State != hosting.BackingRetired && h.State != hosting.BackingPurging:
			return p.unfit(h, "purged")
		case !now && p.Now().Before(h.RetiredAt.Add(BackingGrace)):
			return &RefusedError{Reason: fmt.Sprintf("%s %s was retired on %s and stays until %s", h.Service, h.Name,
				h.RetiredAt.Local().Format(time.DateOnly), h.RetiredAt.Add(BackingGrace).Local().Format(time.DateOnly))}
		}
		if err := p.moveBacking(ctx, actor, h, hosting.BackingPurging, "backing.purge"); err != nil {
			return err
		}
		if err := h.server.Purge(ctx, Grant{Instance: h.InstanceID, Name: h.Name, SetAside: h.SetAside}); err != nil {
			return err
		}
		err := p.Cluster.ChangeSecrets(ctx, h.instance.Job, func(items map[string]string) {
			for _, k := range catalogue.BackingKeys()[h.Service] {
				delete(items, k)
				delete(items, k+next)
			}
		})
		if err != nil {
			return err
		}
		return p.moveBacking(ctx, actor, h, hosting.BackingPurged, "")
	})
}

// CheckBacking says whether the instance can use what it has: it signs in as the instance. With repair, what is not as it
// should be is set right.
func (p *Provisioner) CheckBacking(ctx context.Context, id string, repair bool) error {
	return p.holding(ctx, id, holdFor, func(ctx context.Context, h held) error {
		switch h.State {
		case hosting.BackingRetired, hosting.BackingPurged:
			return nil
		case hosting.BackingMade, hosting.BackingWanted, hosting.BackingRotating:
		default:
			return fmt.Errorf("%s was begun and not brought to its end: give the command again", h.State)
		}
		if repair {
			return p.settle(ctx, h)
		}
		if h.State == hosting.BackingWanted {
			return errors.New("not made yet: frama provision")
		}
		g, err := p.grant(h)
		if err != nil {
			return err
		}
		keys := slices.Collect(maps.Keys(h.server.Secrets(h.InstanceID, rand.Reader)))
		items, err := p.Cluster.Secrets(ctx, h.instance.Job)
		if err != nil {
			return err
		}
		if g.Secrets = pick(items, keys, ""); g.Secrets == nil && len(keys) > 0 {
			return fmt.Errorf("the variable of job %s lacks %v", h.instance.Job, keys)
		}
		if err := h.server.Login(ctx, g); err != nil {
			return err
		}
		if h.State == hosting.BackingRotating || pick(items, keys, next) != nil {
			return errors.New("a new password was begun and not brought to its end: frama backing rotate")
		}
		return nil
	})
}

// moveBacking writes down what is about to be done, or was, with its line in the audit log.
func (p *Provisioner) moveBacking(ctx context.Context, actor hosting.Actor, h held, to hosting.BackingState, action string) error {
	return p.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.MoveBacking(h.ID, h.holder, to); err != nil {
			return err
		}
		if action == "" {
			return nil
		}
		return tx.Audit(actor, action, "space:"+h.instance.SpaceID, fmt.Sprintf("%s %s on %s", h.Service, h.Name, h.Server))
	})
}

func (p *Provisioner) unfit(h held, participle string) error {
	return &RefusedError{Reason: fmt.Sprintf("%s %s on %s is %s and cannot be %s", h.Service, h.Name, h.Server, h.State, participle)}
}
