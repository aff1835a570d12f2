package provisioner

import (
	"context"
	"time"
)

// Enforcer settles growth round by round, as Enforce does, with the patience of a test.
type Enforcer struct{ e *enforcer }

// NewEnforcer gives applications so long to start again, and so long for a command.
func NewEnforcer(p *Provisioner, quiet, act time.Duration) *Enforcer {
	e := newEnforcer(p)
	e.means.poll, e.means.quiet, e.means.act = time.Millisecond, quiet, act
	return &Enforcer{e}
}

// Begin starts a round; Round also waits for its end.
func (e *Enforcer) Begin(ctx context.Context) error { return e.e.round(ctx) }

func (e *Enforcer) Wait() { e.e.all.Wait() }

func (e *Enforcer) Round(ctx context.Context) error {
	err := e.e.round(ctx)
	e.e.all.Wait()
	return err
}

// Known is how many instances it remembers something of.
func (e *Enforcer) Known() int { return len(e.e.tries) }
