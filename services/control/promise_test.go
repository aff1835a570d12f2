package control_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
)

// promises drives a host through what people, workers and failing machines do, and checks after each step that nothing was
// promised that is not there.
type promises struct {
	*desk
	clock  *storetest.Clock
	crash  *crashes
	queue  []hosting.Request
	looked bool // one of several did
}

// crashes ends writes around their commit, as a process that dies does, and holds commits up, so that others have the time
// to read what is not committed yet as if it were not there.
type crashes struct {
	armed atomic.Int64 // how many of the next moments are survived before one is not; 0 for none
	slow  atomic.Bool
}

type crash struct{}

func (c *crashes) hook(m store.Moment) {
	if m == store.BeforeCommit && c.slow.Load() {
		time.Sleep(2 * time.Millisecond)
	}
	if c.armed.Load() > 0 && c.armed.Add(-1) == 0 {
		panic(crash{})
	}
}

// survive runs what may crash. What it returns is of no interest: people try again, or do not.
func survive(f func()) {
	defer func() {
		if p := recover(); p != nil && p != any(crash{}) {
			panic(p)
		}
	}()
	f()
}

// promiseRounds bounds how often the property is tried: each time is a database of its own.
const promiseRounds = 15

// Reserved never exceeds what overcommit allows because of a promise, under any interleaving of approvals, changes of plan,
// withdrawals, workers, looks at a cluster that grows and shrinks, and crashes; and whoever waits gets in once there is room.
func TestNothingIsOverPromised(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			if name == "postgres" {
				fresh(t) // or skip
			}
			round, broken := 0, false
			rapid.Check(t, func(r *rapid.T) {
				if round++; round > promiseRounds && !broken {
					return
				}
				defer func() { broken = broken || r.Failed() }()
				p := newPromises(t, r, fresh(t))
				defer p.store.Close()
				p.look(r)
				for range rapid.IntRange(8, 15).Draw(r, "steps") {
					p.step(r)
				}
				p.end(r)
			})
		})
	}
}

func newPromises(t *testing.T, r *rapid.T, dsn string) *promises {
	p := &promises{clock: storetest.NewClock(), crash: &crashes{}, desk: &desk{t: t,
		links: auth.Links{Key: []byte(strings.Repeat("k", 32)), PublicURL: "https://host.example"}, staff: hosting.Actor{Name: "test", Role: hosting.RoleAdmin}}}
	p.store = storetest.Open(t, dsn, p.clock.With, func(o *store.Options) { o.Hook = p.crash.hook })
	p.Control = control.New(p.store, testCatalogue(t), changed(p.desk, []func(*control.Options){func(o *control.Options) {
		o.Offer, o.Cluster, o.Now = []string{"cloud", "lists", "meet"}, "main", p.clock.Now
		o.Overcommit = hosting.Overcommit{CPU: rapid.SampledFrom([]float64{1, 1.5, 3}).Draw(r, "cpu"), Memory: rapid.SampledFrom([]float64{1, 1.25}).Draw(r, "memory")}
	}}))
	return p
}

// step does one thing, or several at once, and compares.
func (p *promises) step(r *rapid.T) {
	what := rapid.SampledFrom([]string{"several", "open", "look", "ask", "wait"}).Draw(r, "what")
	before, most := p.reserved(r), p.promisable(r)
	switch what {
	case "look":
		p.look(r)
		if after := p.reserved(r); after != before {
			r.Fatalf("a look at the cluster changed what is reserved from %+v to %+v", before, after)
		}
		return
	case "ask":
		for range rapid.IntRange(1, 3).Draw(r, "how many") {
			p.newRequest(r)
		}
	case "wait":
		p.clock.Advance(time.Duration(rapid.IntRange(1, 20*24).Draw(r, "hours")) * time.Hour)
	case "open":
		p.openAll(r)
	case "several":
		p.look(r)
		most = p.promisable(r)
		p.several(r)
		after := p.promisable(r) // somebody may have looked meanwhile
		most = hosting.Resources{CPU: max(most.CPU, after.CPU), Memory: max(most.Memory, after.Memory), Disk: max(most.Disk, after.Disk)}
	}
	after := p.reserved(r)
	if after.CPU > max(before.CPU, most.CPU) || after.Memory > max(before.Memory, most.Memory) || after.Disk > max(before.Disk, most.Disk) {
		r.Fatalf("after %s %+v is reserved, %+v was before, of %+v that may be promised", what, after, before, most)
	}
}

// several does a few things at the same moment, of which one crashes or some are given up half-way: not both, since a write
// that is given up may be committed by nobody's goroutine, where a crash would end the tests.
func (p *promises) several(r *rapid.T) {
	count := rapid.SampledFrom([]int{4, 6, 3, 2}).Draw(r, "at once")
	for range count {
		p.newRequest(r)
	}
	dying := rapid.Bool().Draw(r, "crash")
	if dying {
		p.crash.armed.Store(int64(rapid.IntRange(1, 12).Draw(r, "at")))
	}
	p.crash.slow.Store(true)
	defer func() {
		p.crash.armed.Store(0)
		p.crash.slow.Store(false)
	}()
	var all sync.WaitGroup
	start := make(chan struct{})
	spaces := p.spaces(r)
	p.looked = false
	rush := !rapid.Bool().Draw(r, "calm") // for the last of the room
	for n := range count {
		q := p.queue[len(p.queue)-1-n]
		do := func(ctx context.Context) { _, _ = p.Approve(ctx, p.staff, q.ID) }
		if !rush {
			do = p.act(r, spaces, q)
		}
		patience := time.Duration(0)
		if !dying && rapid.IntRange(0, 5).Draw(r, "gives up") == 0 {
			patience = time.Duration(rapid.IntRange(100, 20_000).Draw(r, "µs")) * time.Microsecond
		}
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			if patience > 0 {
				ctx, cancel = context.WithTimeout(ctx, patience)
			}
			defer cancel()
			<-start
			survive(func() { do(ctx) })
		})
	}
	close(start)
	all.Wait()
}

// act draws something that somebody does.
func (p *promises) act(r *rapid.T, spaces []hosting.Space, q hosting.Request) func(context.Context) {
	plan := rapid.SampledFrom([]string{"starter", "standard", "large"}).Draw(r, "plan")
	have := p.drawRoom(r)
	one := hosting.Space{Slug: "nobody"}
	if len(spaces) > 0 {
		one = rapid.SampledFrom(spaces).Draw(r, "space")
	}
	if rapid.IntRange(0, 4).Draw(r, "again") == 0 { // what somebody else may be deciding on
		q = rapid.SampledFrom(p.queue).Draw(r, "request")
	}
	switch rapid.SampledFrom([]string{"approve", "approve", "approve", "approve", "admit", "plan", "plan", "withdraw", "retire", "refuse", "look"}).Draw(r, "act") {
	case "admit":
		return func(ctx context.Context) { _, _ = p.AdmitWaiting(ctx) }
	case "plan":
		return func(ctx context.Context) { _, _ = p.ChangePlan(ctx, p.staff, one.ID, plan) }
	case "withdraw":
		return func(ctx context.Context) { _ = p.Withdraw(ctx, p.staff, one.ID, "Une bonne raison.") }
	case "retire":
		return func(ctx context.Context) {
			_ = p.store.Write(ctx, func(tx *store.Tx) error {
				instances, err := tx.Instances(one.ID)
				if err != nil || len(instances) == 0 || one.State != hosting.SpaceActive {
					return err
				}
				return tx.WithdrawInstance(instances[0].ID)
			})
		}
	case "refuse":
		return func(ctx context.Context) { _ = p.Refuse(ctx, p.staff, q.ID, "Une bonne raison.") }
	case "look":
		// One of them looks at most: of two, the room that the first saw would be gone when it is all compared.
		if !p.looked {
			p.looked = true
			return func(ctx context.Context) { _ = p.ObserveCluster(ctx, capacityOf("main", have)) }
		}
	}
	return func(ctx context.Context) { _, _ = p.Approve(ctx, p.staff, q.ID) }
}

// drawRoom is near what is reserved, where promises are tight: mostly so that some of those who want it can have it, and not
// all. Lists begin with what rapid is to draw most.
func (p *promises) drawRoom(r *rapid.T) int {
	left := rapid.SampledFrom([]int{300, 140, 560, 0, 1100, -200, 5000}).Draw(r, "left") + rapid.IntRange(0, 100).Draw(r, "room")
	return max(0, p.reserved(r).Memory+left)
}

// look notes that the cluster has become larger or smaller.
func (p *promises) look(r *rapid.T) {
	if err := p.ObserveCluster(context.Background(), capacityOf("main", p.drawRoom(r))); err != nil {
		r.Fatal(err)
	}
}

func (p *promises) newRequest(r *rapid.T) {
	kinds := rapid.SampledFrom([][]string{{"cloud"}, {"cloud"}, {"cloud", "lists"}, {"meet"}}).Draw(r, "kinds")
	p.queue = append(p.queue, p.ask(fmt.Sprint("asso-", len(p.queue)), rapid.SampledFrom([]string{"starter", "standard", "large"}).Draw(r, "plan"), kinds...))
}

// openAll lets a worker bring some runs to their end.
func (p *promises) openAll(r *rapid.T) {
	for _, s := range p.spaces(r) {
		run := p.space(s.ID).LastRun()
		if run != nil && run.EndedAt.IsZero() && rand.IntN(3) > 0 {
			p.opened(s.ID)
		}
	}
}

func (p *promises) spaces(r *rapid.T) (all []hosting.Space) {
	err := p.store.Read(context.Background(), func(tx *store.Tx) (err error) {
		all, _, err = tx.Spaces("", "", 0, 1000)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return all
}

// reserved adds up what the spaces' own rows say.
func (p *promises) reserved(r *rapid.T) (sum hosting.Resources) {
	for _, s := range p.spaces(r) {
		if s.State == hosting.SpaceWithdrawn {
			continue
		}
		for _, i := range p.space(s.ID).Instances {
			if !i.Shared {
				sum.CPU, sum.Memory, sum.Disk = sum.CPU+i.Reserved.CPU, sum.Memory+i.Reserved.Memory, sum.Disk+max(i.Reserved.Disk, i.Growth.VolumeMiB)
			}
		}
	}
	return sum
}

func (p *promises) promisable(r *rapid.T) hosting.Resources {
	all, err := p.Clusters(context.Background(), p.staff)
	if err != nil || len(all) != 1 {
		r.Fatal(all, err)
	}
	return all[0].Promisable
}

// end checks that all that was begun is whole, and that with room for all nobody waits.
func (p *promises) end(r *rapid.T) {
	if err := p.ObserveCluster(context.Background(), capacityOf("main", 1_000_000)); err != nil {
		r.Fatal(err)
	}
	if _, err := p.AdmitWaiting(context.Background()); err != nil {
		r.Fatal(err)
	}
	for _, q := range p.queue {
		v := p.request(q.ID)
		switch v.Request.State {
		case hosting.RequestWaiting:
			r.Fatalf("%s waits, and there is room for all", q.Slug)
		case hosting.RequestApproved:
			if v.Space == nil || len(v.Space.Instances) != len(q.Kinds) || v.Space.LastRun() == nil {
				r.Fatalf("%s is approved, and has %+v", q.Slug, v.Space)
			}
		case hosting.RequestPending:
			if v.Space != nil {
				r.Fatalf("%s is undecided, and has a space", q.Slug)
			}
		}
	}
}
