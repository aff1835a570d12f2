package provisioner_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"
)

// troubled is a cluster that fails, or during whose answers frama ends, at some of its calls.
type troubled struct {
	*obedient
	calls int            // so far
	fails map[int]bool   // calls that fail, half of them after they had their effect
	ends  map[int]func() // what happens after calls
}

func (c *troubled) trouble(call func() error) error {
	c.calls++
	if c.fails[c.calls] && c.calls%2 == 0 {
		return errors.New("the cluster does not answer")
	}
	err := call()
	if end := c.ends[c.calls]; end != nil {
		end()
	}
	if c.fails[c.calls] {
		return errors.New("the cluster's answer was lost")
	}
	return err
}

func (c *troubled) ChangeSecrets(ctx context.Context, job string, change func(map[string]string)) error {
	return c.trouble(func() error { return c.obedient.ChangeSecrets(ctx, job, change) })
}

func (c *troubled) JobHealth(ctx context.Context, job string) (h provisioner.JobHealth, err error) {
	err = c.trouble(func() error { h, err = c.obedient.JobHealth(ctx, job); return err })
	return h, err
}

// Whatever is wanted meanwhile, whatever fails and however often frama ends in the middle: in the end growth is as it was
// wanted last, by the application's own means, and the ingress is out of the way.
func TestGrowthIsSettledInTheEnd(t *testing.T) {
	e := newEnforcing(t)
	i := e.opened("lilas", "polls")
	rapid.Check(t, func(r *rapid.T) {
		c := &troubled{obedient: e.cluster, fails: map[int]bool{}, ends: map[int]func(){}}
		e.p.Cluster = c
		wanted := false
		e.restart()
		e.want(i, false)
		_ = e.enforcer.Round(t.Context())
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"want", "round", "fail", "end", "wait"}).Draw(r, "step") {
			case "want":
				wanted = rapid.Bool().Draw(r, "stopped")
				e.want(i, wanted)
			case "fail":
				c.fails[c.calls+rapid.IntRange(1, 4).Draw(r, "call")] = true
			case "wait":
				e.clock = e.clock.Add(time.Duration(rapid.IntRange(1, 3600).Draw(r, "seconds")) * time.Second)
			case "end":
				ctx, cancel := context.WithCancel(t.Context())
				c.ends[c.calls+rapid.IntRange(1, 4).Draw(r, "call")] = func() {
					if rapid.Bool().Draw(r, "meanwhile") {
						wanted = !wanted
						e.want(i, wanted)
					}
					cancel()
				}
				_ = e.enforcer.Round(ctx)
				cancel()
				c.ends = map[int]func(){}
				e.restart()
			default:
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				_ = e.enforcer.Round(ctx)
				cancel()
			}
			g := e.instance(i.ID).Growth
			if full := e.cluster.secrets[i.Job]["full"] == "true"; !g.Unsettled() && g.As != hosting.GrowthAtIngress && full != g.Stopped {
				r.Fatalf("it is settled as %+v, and the setting is %v", g, full)
			}
		}
		c.fails = nil
		for range 3 {
			e.clock = e.clock.Add(time.Hour)
			_ = e.enforcer.Round(t.Context())
		}
		g, setting := e.instance(i.ID).Growth, e.cluster.secrets[i.Job]["full"]
		g.VolumeMiB = 0
		as := map[bool]string{true: "app-create"}[wanted]
		if g != (hosting.Growth{Stopped: wanted, As: as}) || (setting == "true") != wanted || e.route(i).ReadOnly {
			r.Fatalf("wanted %v: %+v, the setting is %s, reading only %v", wanted, g, setting, e.route(i).ReadOnly)
		}
	})
}
