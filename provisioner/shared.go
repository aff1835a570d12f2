package provisioner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// How long a space waits before it looks again for what it shares with others. Many may wait, so they look seldom: they are
// woken once it is open. What failed waits for a person.
const (
	sharedPause = 5 * time.Second
	failedPause = 30 * time.Second
)

// shared waits until the host's own spaces, whose instances this one shares with others, are open. They have runs of
// their own: this one has nothing to do but to say what it waits for.
func (p *Provisioner) shared(ctx context.Context, run work.Run) (any, error) {
	if err := p.begin(ctx, run.SpaceID); err != nil {
		return nil, err
	}
	var hosts, waits []string
	pause := sharedPause
	err := p.Store.Read(ctx, func(tx *store.Tx) error {
		used, err := tx.SharedInstances(run.SpaceID)
		for _, i := range used {
			wait, failed, err := waitFor(tx, i)
			if err != nil {
				return err
			}
			hosts = append(hosts, i.Host)
			if wait != "" {
				waits = append(waits, wait)
			}
			if failed {
				pause = failedPause
			}
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case len(waits) > 0:
		return nil, work.Later(pause, strings.Join(waits, "; "))
	case len(hosts) == 0:
		return nil, nil
	}
	return map[string]any{"shared": hosts}, nil
}

// waitFor says why an instance that others share cannot be used yet, or "", and whether a person must mend it.
func waitFor(tx *store.Tx, i hosting.Instance) (text string, failed bool, err error) {
	host, err := tx.Space(i.SpaceID)
	if err != nil || host.State == hosting.SpaceActive {
		return "", false, err
	}
	if host.State == hosting.SpaceFailed {
		return fmt.Sprintf("%s, which spaces share, could not be provisioned (frama space show %s says why): once mended, frama provision %s",
			i.Host, host.Handle, host.Handle), true, nil
	}
	text = fmt.Sprintf("%s, which spaces share, is provisioned first (%s)", i.Host, host.Handle)
	runs, err := tx.RunsOf(host.ID, 1)
	if err != nil {
		return "", false, err
	}
	for _, run := range runs {
		if step, more := run.Current(); more {
			text += ": " + strings.TrimSpace(step.Name+" "+step.Message)
		}
	}
	return text, false, nil
}

// begin lets the space show that it is worked on, also while it waits. It writes once: a space may look very often.
func (p *Provisioner) begin(ctx context.Context, space string) error {
	var s hosting.Space
	err := p.Store.Read(ctx, func(tx *store.Tx) (err error) {
		s, err = tx.Space(space)
		return err
	})
	if err != nil || !s.State.CanBecome(hosting.SpaceProvisioning) {
		return err // it is worked on, or active and stays so
	}
	return p.Store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.MoveSpace(space, hosting.SpaceProvisioning)
		if errors.Is(err, store.ErrStale) {
			return nil // somebody else was faster
		}
		return err
	})
}
