package edge

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
)

// Run keeps HAProxy in step with frama until the context ends. It returns early only when it cannot serve at all: the
// data folder is in use, a port is taken, HAProxy is missing. Everything that comes later is logged, told to frama and
// tried again.
func (a *Agent) Run(ctx context.Context) (err error) {
	release, err := a.layout.take()
	if err != nil {
		return err
	}
	defer release()
	held, current, err := a.begin(ctx)
	if a.opts.StopHAProxy && !a.opts.External {
		defer func() {
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			err = errors.Join(err, a.haproxy.stop(stopping))
		}()
	}
	if err != nil {
		return err
	}
	close(a.ready)
	news := make(chan *signed)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.poll(ctx, held, news)
	}()
	defer func() { <-done }()
	a.follow(ctx, current, news)
	return nil
}

// begin brings HAProxy up with what is on disk, so that a node which starts while frama is down serves all the same.
func (a *Agent) begin(ctx context.Context) (*signed, *state, error) {
	if err := a.ensureFallback(); err != nil {
		return nil, nil, err
	}
	st := &state{}
	held, err := load(a.layout.held(), a.opts.PublicKey)
	switch {
	case err == nil:
		st.set(held, newPlan(held.snapshot, a.opts.Now()))
	case absent(err):
		st.plan = a.initial()
	default:
		// The files HAProxy starts from may still be good: they are left as they are until frama answers.
		a.opts.Log.Error("starting with the routes HAProxy was last given; a new snapshot will be fetched", "error", err)
		return nil, st, a.haproxy.asItWas(ctx)
	}
	p, err := a.haproxy.apply(ctx, st.plan)
	st.applied(p, err)
	if err != nil && a.opts.External && ctx.Err() == nil {
		a.opts.Log.Warn("HAProxy will be tried again", "error", err) // its service may start after this one
		err = nil
	}
	return held, st, err
}

// ensureFallback makes the certificate for unknown names once.
func (a *Agent) ensureFallback() error {
	if st, err := os.Stat(a.layout.fallback()); err == nil && st.Size() > 0 {
		return nil
	}
	pem, err := selfSigned(a.opts.Now())
	if err != nil {
		return err
	}
	return replace(a.layout.fallback(), pem)
}

// asItWas starts HAProxy from files of an earlier run, or leaves it alone when it runs.
func (h *haproxy) asItWas(ctx context.Context) error {
	l := h.settings.layout
	for _, path := range []string{l.hosts(), l.acme(), l.crtList()} {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := h.write(plan{}); err != nil {
			return err
		}
		break
	}
	if err := h.writeConfig(); err != nil {
		return err
	}
	if _, err := h.api.info(ctx); !nobody(err) {
		return err
	}
	if err := h.check(ctx); err != nil {
		return err
	}
	return h.start(ctx)
}

// state is what the agent follows now and how that went.
type state struct {
	known   bool // a snapshot was applied or tried
	version int64
	plan    plan
	done    int64 // the last version that HAProxy took
	report  Ack   // what frama should hear
	told    bool  // and has heard
	logged  Ack   // the last report whose problems were logged
}

func (s *state) set(snap *signed, p plan) {
	s.known, s.version, s.plan = true, snap.snapshot.Version, p
}

// applied notes an outcome; only a different one is told again.
func (s *state) applied(p plan, err error) {
	if err == nil {
		s.done = s.version
	}
	r := Ack{Version: s.done, Error: p.problem()}
	if err != nil {
		r.Error = printable(strings.TrimSuffix(err.Error()+"; "+r.Error, "; "), maxProblem)
	}
	if r != s.report {
		s.report, s.told = r, false
	}
}

// follow applies what poll brings, and looks at intervals whether HAProxy still does it.
func (a *Agent) follow(ctx context.Context, st *state, news <-chan *signed) {
	tick := time.NewTicker(a.opts.Check)
	defer tick.Stop()
	a.tell(ctx, st)
	for {
		select {
		case <-ctx.Done():
			return
		case snap := <-news:
			st.set(snap, newPlan(snap.snapshot, a.opts.Now()))
			st.told = false
		case <-tick.C:
			if !st.known && st.plan.routes == nil {
				continue // nothing known to compare with
			}
			st.told = false // a sign of life: frama waits for edges that report, and only for those
		}
		p, err := a.haproxy.apply(ctx, st.plan)
		if ctx.Err() != nil {
			return
		}
		st.applied(p, err)
		if err != nil {
			a.opts.Log.Error("HAProxy does not follow; trying again", "version", st.version, "after", a.opts.Check, "error", err)
		}
		a.tell(ctx, st)
	}
}

// tell acknowledges until frama has heard.
func (a *Agent) tell(ctx context.Context, st *state) {
	if st.told || !st.known {
		return
	}
	if !a.opts.acknowledged(ctx, &a.client, st.report) {
		return
	}
	st.told = true
	if st.report.Error != "" && st.report != st.logged {
		st.logged = st.report
		a.opts.Log.Warn("frama was told about problems", "version", st.version, "problem", st.report.Error)
	}
}

func (o AgentOptions) acknowledged(ctx context.Context, c *client, r Ack) bool {
	r.Agent = o.Name
	if err := c.ack(ctx, r); err != nil {
		if ctx.Err() == nil {
			o.Log.Warn("frama could not be told; trying again later", "error", err)
		}
		return false
	}
	return true
}
