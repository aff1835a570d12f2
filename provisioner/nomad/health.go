package nomad

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// JobHealth says how the job does: three small reads, a fourth while it is not healthy, and a fifth when it is late.
func (c *Cluster) JobHealth(ctx context.Context, id string) (provisioner.JobHealth, error) {
	job, err := c.job(ctx, id)
	if err != nil {
		return provisioner.JobHealth{}, err
	}
	s := sighting{job: job}
	if job == nil || isStopped(job) {
		return s.health(), nil
	}
	err = c.call(ctx, "read the state of job "+id, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		if s.deployment, _, err = c.client.Jobs().LatestDeployment(id, r); err != nil {
			return err
		}
		if r, err = c.read(ctx); err != nil {
			return err
		}
		s.allocs, _, err = c.client.Jobs().Allocations(id, false, r)
		return err
	})
	if err != nil {
		return provisioner.JobHealth{}, err
	}
	if late := s.late(); late != nil {
		if s.checks, err = c.checks(ctx, late.ID); err != nil {
			return provisioner.JobHealth{}, err
		}
	}
	if h := s.health(); h.State == provisioner.JobHealthy {
		return h, nil
	}
	err = c.call(ctx, "read the evaluations of job "+id, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		s.evals, _, err = c.client.Jobs().Evaluations(id, r)
		return err
	})
	return s.health(), err
}

// sighting is what Nomad says of one job at one moment.
type sighting struct {
	job        *api.Job
	deployment *api.Deployment // latest, may be of an older version or nil
	allocs     []*api.AllocationListStub
	evals      []*api.Evaluation
	checks     api.AllocCheckStatuses // of a late allocation
}

func (s sighting) health() provisioner.JobHealth {
	answer := func(state provisioner.JobState, reason string) provisioner.JobHealth {
		return provisioner.JobHealth{State: state, Reason: reason, Since: s.since(), Within: s.within(), Begun: begun(s.current())}
	}
	switch {
	case s.job == nil:
		return answer(provisioner.JobMissing, "not registered")
	case isStopped(s.job):
		return answer(provisioner.JobMissing, "stopped by somebody: Nomad forgets it after some hours")
	}
	alloc := s.current()
	d := s.currentDeployment()
	if exhausted(alloc) && (d == nil || d.Status != api.DeploymentStatusSuccessful) {
		return answer(provisioner.JobFailed, joined(s.cause(), "Nomad pauses between its tries"))
	}
	if s.late() != nil {
		if allPass(s.checks) {
			return answer(provisioner.JobHealthy, "")
		}
		return answer(provisioner.JobPending, joined("it is late, and still at work", s.cause()))
	}
	if d != nil && d.Status == api.DeploymentStatusFailed {
		return answer(provisioner.JobFailed, joined(s.cause(), d.StatusDescription))
	}
	// One of several tasks may wait for its next try while the others keep the allocation running.
	running := alloc != nil && alloc.ClientStatus == api.AllocClientStatusRunning && !exhausted(alloc)
	// An allocation of a job without a deployment says itself whether its checks passed.
	passed := d != nil && d.Status == api.DeploymentStatusSuccessful || d == nil && allocHealthy(alloc)
	if running && passed {
		return answer(provisioner.JobHealthy, "")
	}
	if reason, blocked := s.blocked(); blocked && !running {
		return answer(provisioner.JobBlocked, reason)
	}
	if s.stranded() {
		return answer(provisioner.JobFailed, joined(s.cause(), "Nomad will not start it again by itself"))
	}
	if d != nil && d.Status == api.DeploymentStatusSuccessful && !running {
		return answer(provisioner.JobPending, joined("it worked and is starting again", s.cause()))
	}
	if alloc == nil {
		return answer(provisioner.JobPending, "waits to be placed")
	}
	return answer(provisioner.JobPending, joined("allocation is "+alloc.ClientStatus, s.cause()))
}

// currentDeployment is the deployment of the job's current version, or nil: the latest may be an older version's, or
// that of an earlier job of the same ID.
func (s sighting) currentDeployment() *api.Deployment {
	d := s.deployment
	if d == nil || d.JobVersion != deref(s.job.Version) || d.JobCreateIndex != deref(s.job.CreateIndex) {
		return nil
	}
	return d
}

// current is the newest allocation of the job's current version that is meant to run, or the newest at all.
func (s sighting) current() *api.AllocationListStub {
	var best *api.AllocationListStub
	for _, a := range s.allocs {
		if a.JobVersion != deref(s.job.Version) {
			continue
		}
		if best == nil || wanted(a) && !wanted(best) || wanted(a) == wanted(best) && a.CreateIndex > best.CreateIndex {
			best = a
		}
	}
	return best
}

// late is the allocation of a deployment that failed for want of time, and that works on or still starts; nil when there is
// none. Nomad gave it up: it notes a health that comes later nowhere, so its checks must be asked.
func (s sighting) late() *api.AllocationListStub {
	d, alloc := s.currentDeployment(), s.current()
	if d == nil || d.Status != api.DeploymentStatusFailed || alloc == nil || !wanted(alloc) || terminal(alloc) || exhausted(alloc) {
		return nil
	}
	return alloc
}

// stranded reports whether the allocation failed as a whole (its disk or its network was missing) where nothing is rescheduled.
func (s sighting) stranded() bool {
	alloc := s.current()
	if alloc == nil || !wanted(alloc) || alloc.ClientStatus != api.AllocClientStatusFailed || alloc.NextAllocation != "" {
		return false
	}
	for _, group := range s.job.TaskGroups {
		if r := group.ReschedulePolicy; deref(group.Name) == alloc.TaskGroup && r != nil {
			return deref(r.Attempts) == 0 && !deref(r.Unlimited)
		}
	}
	return false
}

// checks returns the newest results of an allocation's checks, none while its node does not know it.
func (c *Cluster) checks(ctx context.Context, alloc string) (api.AllocCheckStatuses, error) {
	var checks api.AllocCheckStatuses
	err := c.call(ctx, "read the checks of allocation "+alloc, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		checks, err = c.client.Allocations().Checks(alloc, r)
		if isNotFound(err) {
			checks, err = nil, nil
		}
		return err
	})
	return checks, err
}

// allPass reports whether there are checks, and all of them pass.
func allPass(checks api.AllocCheckStatuses) bool {
	for _, check := range checks {
		if check.Status != "success" {
			return false
		}
	}
	return len(checks) > 0
}

// restartDelay is the reason in Nomad's event when a task has used up the attempts of its restart policy and waits for the end of
// the interval.
const restartDelay = "Exceeded allowed attempts, applying a delay"

// exhausted reports whether a task of the allocation has used up its restart attempts and waits.
func exhausted(a *api.AllocationListStub) bool {
	if a == nil {
		return false
	}
	for _, state := range a.TaskStates {
		if state == nil || state.State != "pending" || len(state.Events) == 0 {
			continue
		}
		if last := state.Events[len(state.Events)-1]; last != nil && last.Type == api.TaskRestarting && last.RestartReason == restartDelay {
			return true
		}
	}
	return false
}

func wanted(a *api.AllocationListStub) bool { return a.DesiredStatus == api.AllocDesiredStatusRun }

func allocHealthy(a *api.AllocationListStub) bool {
	return a != nil && a.DeploymentStatus != nil && a.DeploymentStatus.Healthy != nil && *a.DeploymentStatus.Healthy
}

// blocked says what the job waits for. The evaluation that failed to place it is complete; the one it left behind is
// blocked, and either may know why.
func (s sighting) blocked() (reason string, blocked bool) {
	var waiting *api.Evaluation
	for _, e := range s.evals {
		if e.Status == api.EvalStatusBlocked && (waiting == nil || e.CreateIndex > waiting.CreateIndex) {
			waiting = e
		}
	}
	if waiting == nil {
		return "", false
	}
	for _, e := range s.evals {
		if e.ID == waiting.ID || e.BlockedEval == waiting.ID {
			if reason := placementFailure(e.FailedTGAllocs); reason != "" {
				return reason, true
			}
		}
	}
	return cmp.Or(waiting.StatusDescription, "no node can take it"), true
}

// replacing is what Nomad says of a node on which some job with a static port is being replaced: until the old task has
// stopped, two allocations hold the port, and the scheduler places nothing at all there. It passes within seconds.
const replacing = "network: port collision"

// placementFailure says in a line why the scheduler found no node, or nothing when it found one.
func placementFailure(failed map[string]*api.AllocationMetric) string {
	var reasons []string
	for _, group := range slices.Sorted(maps.Keys(failed)) {
		m := failed[group]
		if m == nil {
			continue
		}
		for _, dimension := range slices.Sorted(maps.Keys(m.DimensionExhausted)) {
			if dimension == replacing {
				reasons = append(reasons, "another job of the node is being replaced (Nomad: "+replacing+")")
				continue
			}
			reasons = append(reasons, fmt.Sprintf("%s exhausted on %s%s", dimension, nodes(m.DimensionExhausted[dimension]), needs(m, dimension)))
		}
		for _, constraint := range slices.Sorted(maps.Keys(m.ConstraintFiltered)) {
			reasons = append(reasons, fmt.Sprintf("%s excludes %s", constraint, nodes(m.ConstraintFiltered[constraint])))
		}
		if m.NodesEvaluated == 0 && len(reasons) == 0 {
			reasons = append(reasons, "no node is ready and eligible")
		}
		if len(reasons) == 0 {
			reasons = append(reasons, fmt.Sprintf("%d nodes looked at, none fits", m.NodesEvaluated))
		}
	}
	return strings.Join(slices.Compact(reasons), ", ")
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// needs adds how much of an exhausted resource the job asks for.
func needs(m *api.AllocationMetric, dimension string) string {
	for _, r := range m.ResourcesExhausted {
		switch {
		case r == nil:
		case dimension == "memory" && deref(r.MemoryMB) > 0:
			return fmt.Sprintf(" (needs %d MiB)", *r.MemoryMB)
		case dimension == "cpu" && deref(r.CPU) > 0:
			return fmt.Sprintf(" (needs %d MHz)", *r.CPU)
		}
	}
	return ""
}

// telling ranks the events that say why a task does not run: what failed before it could start comes first, then how it ended,
// and last what Nomad does about it, which says nothing of the reason. Other events are noise.
var telling = map[string]int{
	api.TaskDriverFailure: 1, api.TaskSetupFailure: 1, api.TaskFailedValidation: 1, api.TaskArtifactDownloadFailed: 1, "Failed Restoring Task": 1,
	api.TaskTerminated: 2, "Template": 2,
	api.TaskNotRestarting: 3, api.TaskRestarting: 3, "Killing": 3,
}

const longestEvent = 400 // characters: the reason follows about 230 of Nomad's own

// cause is why the tasks of the newest allocation do not run, or, while that has nothing to say, those of the one before.
func (s sighting) cause() string {
	current := s.current()
	if text := lastEvents(current); text != "" || current == nil {
		return text
	}
	var before *api.AllocationListStub
	for _, a := range s.allocs {
		if a.JobVersion == current.JobVersion && a.CreateIndex < current.CreateIndex && (before == nil || a.CreateIndex > before.CreateIndex) {
			before = a
		}
	}
	if text := lastEvents(before); text != "" {
		return "the allocation before: " + text
	}
	return ""
}

// lastEvents is the most telling event of each task since it was last started, the worst first. Events hold no environment; they
// are cut short all the same.
func lastEvents(a *api.AllocationListStub) string {
	if a == nil {
		return ""
	}
	type said struct {
		rank int
		text string
	}
	var all []said
	for _, name := range slices.Sorted(maps.Keys(a.TaskStates)) {
		state := a.TaskStates[name]
		if state == nil {
			continue
		}
		if e := worstEvent(state.Events); e != nil {
			text := strings.Join(strings.Fields(cmp.Or(e.DisplayMessage, e.Type)), " ")
			if lacking := notBuilt(text); lacking != "" {
				text = lacking
			}
			if runes := []rune(text); len(runes) > longestEvent {
				text = string(runes[:longestEvent]) + "…"
			}
			all = append(all, said{telling[e.Type], fmt.Sprintf("task %s: %s: %s", name, e.Type, text)})
		}
	}
	slices.SortStableFunc(all, func(x, y said) int { return cmp.Compare(x.rank, y.rank) })
	var words []string
	for _, one := range all {
		words = append(words, one.text)
	}
	return strings.Join(words, "; ")
}

// worstEvent is the newest of the most telling events since the task was last started, nil for none.
func worstEvent(events []*api.TaskEvent) (worst *api.TaskEvent) {
	for _, e := range slices.Backward(events) {
		if e == nil {
			continue
		}
		if e.Type == api.TaskStarted && worst != nil {
			break
		}
		if rank := telling[e.Type]; rank > 0 && (worst == nil || rank < telling[worst.Type]) {
			worst = e
		}
	}
	return worst
}

// begun is when a task of an allocation was last started, or signalled.
func begun(a *api.AllocationListStub) time.Time {
	var latest int64
	if a != nil {
		for _, state := range a.TaskStates {
			if state == nil {
				continue
			}
			for _, e := range state.Events {
				if e != nil && (e.Type == api.TaskStarted || e.Type == api.TaskSignaling) {
					latest = max(latest, e.Time)
				}
			}
		}
	}
	if latest == 0 {
		return time.Time{}
	}
	return time.Unix(0, latest).UTC()
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// since is when the job was submitted or its newest allocation made, whichever is later.
func (s sighting) since() time.Time {
	if s.job == nil {
		return time.Time{}
	}
	latest := deref(s.job.SubmitTime)
	for _, a := range s.allocs {
		latest = max(latest, a.CreateTime)
	}
	return time.Unix(0, latest).UTC()
}

// within is the longest time that a group of the job gives an allocation to become healthy.
func (s sighting) within() time.Duration {
	var longest time.Duration
	if s.job != nil {
		for _, group := range s.job.TaskGroups {
			if group.Update != nil {
				longest = max(longest, deref(group.Update.HealthyDeadline))
			}
		}
	}
	return longest
}
