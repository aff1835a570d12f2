package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

type provisionOptions struct {
	all, follow bool
	timeout     time.Duration
}

func newProvisionCommand(c *cli) *cobra.Command {
	var o provisionOptions
	cmd := &cobra.Command{
		Use: "provision [SPACE…]", GroupID: "ops",
		Short: "Provisions every approved space, or the named ones",
		Long: `Executes the runs of approved spaces: ` + strings.Join(control.ProvisionSteps(), ", ") + `.
Where the plan of an open space changed, its applications get the new sizes: ` + strings.Join(control.ResizeSteps(), ", ") + `.
Every step can be resumed, and nothing is done twice: it is safe to stop the command and to run it again.
A space is named by its name, handle or ID. The host's own spaces that it needs, where applications run that associations
share, are provisioned with it. A run that waits for something outside (a cluster without room, an
authority that limits) goes on waiting and says for what; --timeout ends the command, not the run. A space that waits for one
of the host's own that failed is not waited for: mend that one first.

Exit status: 0 when all spaces are active, 1 when one failed or still waits, 2 when the command is wrong.`,
		Example: `  frama provision                  every approved space
  frama provision les-lilas        one space
  frama provision --all            also spaces whose last run failed
  frama provision --follow         go on with spaces that are approved later, until Ctrl-C
  frama provision --json | jq .    one object a line`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (o.all || o.follow) {
				return usageError{errors.New("name spaces, or give --all or --follow: not both")}
			}
			a, err := c.open(cmd.Context())
			if err != nil {
				return err
			}
			defer a.store.Close()
			return c.provision(cmd.Context(), a, args, o)
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "retry failed runs too")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with spaces that are approved later, until Ctrl-C")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "stop after this long; what is not done goes on with the next call")
	return cmd
}

// provision runs a worker in this process and shows what becomes of the runs.
func (c *cli) provision(ctx context.Context, a *app, names []string, o provisionOptions) error {
	targets, err := c.targets(ctx, a, names, o.all)
	if err != nil {
		return err
	}
	if err := a.wake(ctx, targets); err != nil {
		return err
	}
	show := newProgress(c, now)
	if len(targets) == 0 && !o.follow {
		show.nothing()
		return nil
	}
	a.log = quiet(a)
	p, err := a.provisioner()
	if err != nil {
		return err
	}
	observed, err := a.observed(ctx)
	if err != nil {
		return err
	}
	defer a.closeTelemetry(observed)
	worker := a.worker("provision", p.Definitions())
	worker.Around = observed.Step
	if !o.follow {
		worker.Spaces = targets
	}
	worker.Idle = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if o.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	var group errgroup.Group
	group.Go(func() error { return worker.Run(ctx) })
	watchErr := c.watch(ctx, a, show, targets, o.follow)
	cancel()
	return errors.Join(watchErr, group.Wait())
}

// wake lets runs that wait be tried at once: whoever gives the command has mended what they waited for, or looks whether
// it is.
func (a *app) wake(ctx context.Context, spaces []string) error {
	return a.store.Write(ctx, func(tx *store.Tx) error {
		for _, id := range spaces {
			runs, err := tx.RunsOf(id, 1)
			if err != nil {
				return err
			}
			for _, r := range runs {
				if err := tx.WakeRun(r.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// targets returns the IDs of the spaces to work on. A failed run that was asked for is made ready again.
func (c *cli) targets(ctx context.Context, a *app, names []string, all bool) ([]string, error) {
	var ids []string
	retry := func(v control.SpaceView) error {
		run := v.LastRun()
		if run == nil || run.State != work.RunParked {
			return nil
		}
		return a.control.RetryRun(ctx, c.actor(), run.ID)
	}
	for _, name := range names {
		v, err := a.control.Space(ctx, c.actor(), name)
		if err != nil {
			return nil, absent(fmt.Errorf("space %q: %w", name, err), "space", name, "frama space list")
		}
		needed, err := c.commons(ctx, a, v)
		if err != nil {
			return nil, err
		}
		for _, v := range append(needed, v) {
			if err := retry(v); err != nil {
				return nil, err
			}
			ids = union(ids, []string{v.Space.ID})
		}
	}
	if len(names) > 0 {
		return ids, nil
	}
	states := []hosting.SpaceState{hosting.SpaceApproved, hosting.SpaceProvisioning}
	if all {
		states = append(states, hosting.SpaceFailed)
	}
	var parked []control.SpaceView
	for _, state := range states {
		for page := 1; ; page++ {
			list, err := a.control.Spaces(ctx, c.actor(), control.SpaceFilter{State: state, Page: page, Size: 200})
			if err != nil {
				return nil, err
			}
			for _, v := range list.Spaces {
				ids = append(ids, v.Space.ID)
				if run := v.LastRun(); all && run != nil && run.State == work.RunParked {
					parked = append(parked, v)
				}
			}
			if page >= list.Last() {
				break
			}
		}
	}
	changing, stuck, err := c.changing(ctx, a)
	if err != nil {
		return nil, err
	}
	ids = union(ids, changing)
	if all {
		for _, id := range stuck {
			v, err := a.control.Space(ctx, c.actor(), id)
			if err != nil {
				return nil, err
			}
			ids, parked = union(ids, []string{id}), append(parked, v)
		}
	}
	// Retrying moves spaces from one state to another: only once the lists are complete.
	for _, v := range parked {
		if err := retry(v); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// changing returns the open spaces whose plan changed and whose applications do not have its sizes yet, and those of them
// that a person must look at.
func (c *cli) changing(ctx context.Context, a *app) (ids, stuck []string, err error) {
	for _, state := range []work.RunState{work.RunReady, work.RunRunning, work.RunParked} {
		runs, err := a.control.Runs(ctx, c.actor(), state, 1000)
		if err != nil {
			return nil, nil, err
		}
		for _, run := range runs {
			switch {
			case run.Kind != control.RunResize:
			case state == work.RunParked:
				stuck = append(stuck, run.SpaceID)
			default:
				ids = append(ids, run.SpaceID)
			}
		}
	}
	return ids, stuck, nil
}

// commons returns the host's own spaces that a space uses and that are not active yet: it waits for them.
func (c *cli) commons(ctx context.Context, a *app, v control.SpaceView) ([]control.SpaceView, error) {
	var needed []control.SpaceView
	for _, i := range v.Instances {
		if !i.Shared {
			continue
		}
		host, err := a.control.Space(ctx, c.actor(), i.SpaceID)
		if err != nil {
			return nil, err
		}
		if host.Space.State != hosting.SpaceActive {
			needed = append(needed, host)
		}
	}
	return needed, nil
}

// blocked says whether a space waits for one of the host's own that a person must mend: no worker brings it any further.
func (c *cli) blocked(ctx context.Context, a *app, show *progress, v control.SpaceView) (bool, error) {
	run := v.LastRun()
	// One that was not looked at since it was woken may not know yet.
	if step, more := run.Current(); !more || step.Name != "shared" || step.State != work.StepWaiting || !run.NotBefore.After(show.start) {
		return false, nil
	}
	needed, err := c.commons(ctx, a, v)
	blocked := false
	for _, host := range needed {
		if host.Space.State == hosting.SpaceFailed {
			blocked = true
			show.blocks(host.Space.Slug)
		}
	}
	return blocked, err
}

// watch shows the runs until all have ended, but for those that wait for what has failed. It reads the same rows as the pages do.
func (c *cli) watch(ctx context.Context, a *app, show *progress, ids []string, follow bool) error {
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		if follow {
			fresh, err := c.targets(context.WithoutCancel(ctx), a, nil, false)
			if err != nil {
				return err
			}
			ids = union(ids, fresh)
		}
		pending := 0
		show.block = nil
		for _, id := range ids {
			if show.finished(id) {
				continue
			}
			v, err := a.control.Space(context.WithoutCancel(ctx), c.actor(), id)
			if err != nil {
				return err
			}
			if show.update(v) {
				continue
			}
			blocked, err := c.blocked(context.WithoutCancel(ctx), a, show, v)
			if err != nil {
				return err
			}
			if !blocked {
				pending++
			}
		}
		show.draw()
		if pending == 0 && !follow {
			return show.summary()
		}
		select {
		case <-ctx.Done():
			return show.summary()
		case <-tick.C:
		}
	}
}

func union(a, b []string) []string {
	seen := map[string]bool{}
	for _, id := range a {
		seen[id] = true
	}
	for _, id := range b {
		if !seen[id] {
			a = append(a, id)
		}
	}
	return a
}
