package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// tight is a desk of a host whose cluster has so much room, in CPU, memory and disk alike, and a clock that stands still. In
// its catalogue the kind cloud reserves 100, 128 and 100 in the plan starter, twice that in standard, and four times in large.
func tight(t *testing.T, dsn string, room int, change ...func(*control.Options)) (*desk, *storetest.Clock) {
	t.Helper()
	clock := storetest.NewClock()
	change = append([]func(*control.Options){func(o *control.Options) {
		o.Offer, o.Cluster, o.Now = []string{"cloud", "lists"}, "main", clock.Now
	}}, change...)
	d := newDesk(t, dsn, change...)
	d.store = storetest.Open(t, dsn, clock.With)
	d.Control = control.New(d.store, testCatalogue(t), changed(d, change))
	if room > 0 {
		d.observe(room)
	}
	return d, clock
}

func testCatalogue(t *testing.T) *catalogue.Catalogue {
	t.Helper()
	apps, err := catalogue.Load("testdata/catalogue")
	if err != nil {
		t.Fatal(err)
	}
	return apps
}

// changed are the options of newDesk.
func changed(d *desk, change []func(*control.Options)) control.Options {
	o := control.Options{
		Platform: "example.org", PublicURL: d.links.PublicURL, HostName: "host", HostEmail: "hello@host.example",
		CharterVersion: "1", LinkKey: d.links.Key, SessionTTL: time.Hour, Now: time.Now, NewID: storetest.NewID,
	}
	for _, f := range change {
		f(&o)
	}
	return o
}

// observe says that the cluster has so much of everything.
func (d *desk) observe(room int) {
	d.t.Helper()
	if err := d.ObserveCluster(context.Background(), capacityOf("main", room)); err != nil {
		d.t.Fatal(err)
	}
}

func capacityOf(cluster string, room int) hosting.Capacity {
	return hosting.Capacity{Cluster: cluster, Nodes: 1, Allocatable: hosting.Resources{CPU: room, Memory: room, Disk: room}}
}

// ask makes a request for the kind cloud that a reviewer can decide on.
func (d *desk) ask(slug, plan string, kinds ...string) hosting.Request {
	d.t.Helper()
	q := storetest.NewRequest(slug)
	q.Plan, q.Kinds = plan, kinds
	if len(kinds) == 0 {
		q.Kinds = []string{"cloud"}
	}
	return storetest.AddRequest(d.t, d.store, q)
}

// decide approves a request and says whether it waits.
func (d *desk) decide(q hosting.Request) bool {
	d.t.Helper()
	a, err := d.Approve(context.Background(), d.staff, q.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	if a.Waiting == (a.Space.ID != "") {
		d.t.Fatalf("%+v", a)
	}
	return a.Waiting
}

func (d *desk) request(id string) control.RequestView {
	d.t.Helper()
	v, err := d.Request(context.Background(), d.staff, id)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

// admit lets in who fits, and says who got in by now.
func (d *desk) admit(queue ...hosting.Request) (in []string) {
	d.t.Helper()
	if _, err := d.AdmitWaiting(context.Background()); err != nil {
		d.t.Fatal(err)
	}
	for _, q := range queue {
		if d.request(q.ID).Request.State == hosting.RequestApproved {
			in = append(in, q.Slug)
		}
	}
	return in
}

func (d *desk) cluster() control.ClusterView {
	d.t.Helper()
	all, err := d.Clusters(context.Background(), d.staff)
	if err != nil || len(all) != 1 {
		d.t.Fatalf("%+v, %v", all, err)
	}
	return all[0]
}

func TestWithoutRoomARequestWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d, clock := tight(t, dsn, 200)
		first, second := d.ask("lilas", "starter"), d.ask("menthe", "starter")
		if v := d.request(first.ID).Room; v != (control.Room{Known: true, Fits: true, Need: hosting.Resources{CPU: 100, Memory: 128, MemoryMax: 128, Disk: 100},
			Free: hosting.Resources{CPU: 200, Memory: 200, Disk: 200}}) {
			t.Errorf("the reviewer is told %+v", v)
		}
		if d.decide(first) {
			t.Fatal("there is room for the first")
		}
		if v := d.request(second.ID).Room; v.Fits || v.Free.Memory != 72 || v.Ahead != 0 {
			t.Errorf("before the second the reviewer is told %+v", v)
		}
		if !d.decide(second) {
			t.Fatal("there is no room for the second")
		}
		q := d.request(second.ID)
		if q.Request.State != hosting.RequestWaiting || !q.Request.WaitingSince.Equal(clock.Now().Truncate(time.Microsecond)) || !q.Request.DecidedAt.IsZero() || q.Space != nil {
			t.Errorf("it is %+v", q.Request)
		}
		if _, _, mails := d.counts("waiting"); mails != 1 {
			t.Errorf("%d mails say that it waits", mails)
		}
		if v := d.cluster(); v.Waiting != 1 || v.Needed.Memory != 128 || v.Reserved.Memory != 128 || v.Promisable.Memory != 200 || len(v.Days) != 1 {
			t.Errorf("the cluster: %+v", v)
		}
		// The name is kept for it, whoever asks, and a second yes changes nothing.
		if a, err := d.SlugStatus(context.Background(), "menthe"); err != nil || a.Free() {
			t.Errorf("its name is free: %+v, %v", a, err)
		}
		rival := d.ask("menthe", "starter")
		for key, id := range map[string]string{"error.approve_taken": rival.ID, "error.decided_waiting": second.ID} {
			if _, err := d.Approve(context.Background(), d.staff, id); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("got %v, want %s", err, key)
			}
		}
		if in := d.admit(second); in != nil {
			t.Errorf("without room it got in: %v", in)
		}
		clock.Advance(time.Hour)
		d.observe(300)
		if in := d.admit(second); !slices.Equal(in, []string{"menthe"}) {
			t.Error("there is room, and it waits on")
		}
		v := d.request(second.ID)
		if v.Space == nil || v.Space.Space.Cluster != "main" || v.Space.LastRun() == nil || v.Request.DecidedAt.IsZero() || v.Request.WaitingSince.IsZero() {
			t.Errorf("it is %+v", v.Request)
		}
		if last := v.Audit[len(v.Audit)-1]; !slices.ContainsFunc(v.Audit, func(e hosting.AuditEntry) bool { return e.Action == "request.admit" && e.Actor == "frama" }) {
			t.Errorf("audit ends with %+v", last)
		}
		if _, _, mails := d.counts("approved"); mails != 2 {
			t.Errorf("%d mails say that a request is approved", mails)
		}
	})
}

// Of two that race for the last room one gets it, and the other waits until there is more.
func TestTwoApprovalsRaceForTheLastRoom(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d, _ := tight(t, dsn, 0)
		for round := range 10 {
			d.observe(128*(2*round+1) + 20)
			both := []hosting.Request{d.ask(fmt.Sprint("lilas-", round), "starter"), d.ask(fmt.Sprint("menthe-", round), "starter")}
			var waits [2]bool
			start := make(chan struct{})
			var all sync.WaitGroup
			for n, q := range both {
				all.Go(func() {
					<-start
					a, err := d.Approve(context.Background(), d.staff, q.ID)
					if err != nil {
						t.Error(err)
					}
					waits[n] = a.Waiting
				})
			}
			close(start)
			all.Wait()
			if v := d.cluster(); waits[0] == waits[1] || v.Reserved.Memory != 128*(2*round+1) || v.Waiting != 1 {
				t.Fatalf("waiting: %v; reserved %d of %d MiB", waits, v.Reserved.Memory, v.Promisable.Memory)
			}
			d.observe(128*(2*round+2) + 20)
			if in := d.admit(both...); len(in) != 2 {
				t.Fatalf("there is room for both, and in are %v", in)
			}
		}
	})
}

func TestSmallOnesPassUntilSomebodyHasWaitedLong(t *testing.T) {
	d, clock := tight(t, storetest.SQLite(t), 128)
	if d.decide(d.ask("premier", "starter")) {
		t.Fatal("the first fits")
	}
	large, small := d.ask("grand", "large"), d.ask("petit", "starter")
	if !d.decide(large) || !d.decide(small) {
		t.Fatal("neither fits")
	}
	if v := d.request(small.ID).Room; v.Ahead != 1 {
		t.Errorf("%d are before the second", v.Ahead)
	}
	clock.Advance(24 * time.Hour)
	d.observe(256)
	if in := d.admit(large, small); !slices.Equal(in, []string{"petit"}) {
		t.Errorf("with room for one, in are %v", in)
	}
	// A new one that fits goes before the large one as well, while that has waited for less than 30 days.
	d.observe(384)
	if d.decide(d.ask("nouveau", "starter")) {
		t.Error("it fits, and waits behind one that does not")
	}
	clock.Advance(29*24*time.Hour - time.Second)
	d.observe(512)
	if d.decide(d.ask("encore", "starter")) {
		t.Error("the day before, it still may pass")
	}
	clock.Advance(time.Second)
	d.observe(640)
	late, free := d.ask("tard", "starter"), d.ask("rien", "starter", "lists")
	if !d.decide(late) {
		t.Error("after 30 days somebody still passed")
	}
	if in := d.admit(large, late); in != nil {
		t.Errorf("with room for the late one only, in are %v", in)
	}
	// What takes nothing takes it from nobody.
	d.observe(512 + 512)
	if d.decide(d.ask("listes", "starter", "lists")) == false {
		t.Error("the shared instance takes room, and passed")
	}
	d.observe(10_000)
	if in := d.admit(large, late); len(in) != 2 {
		t.Errorf("with room for all, in are %v", in)
	}
	d.observe(0)
	if d.decide(free) {
		t.Error("a request for what is shared and there already waits for room")
	}
}

func TestAWaitingRequestMayBeRefused(t *testing.T) {
	d, _ := tight(t, storetest.SQLite(t), 10)
	q := d.ask("lilas", "starter")
	d.decide(q)
	if err := d.Refuse(context.Background(), d.staff, q.ID, "Nous arrêtons le service."); err != nil {
		t.Fatal(err)
	}
	if got := d.request(q.ID).Request; got.State != hosting.RequestRefused || got.Reason == "" {
		t.Errorf("it is %+v", got)
	}
	if a, err := d.SlugStatus(context.Background(), "lilas"); err != nil || !a.Free() {
		t.Errorf("its name: %+v, %v", a, err)
	}
}

// Who asks for more than the whole cluster has would keep everybody waiting for ever.
func TestWhatNeverFitsHoldsUpNobody(t *testing.T) {
	d, clock := tight(t, storetest.SQLite(t), 300)
	d.decide(d.ask("un", "starter"))
	huge := d.ask("grand", "large") // 512 MiB of 300
	if !d.decide(huge) {
		t.Fatal("it fits")
	}
	clock.Advance(40 * 24 * time.Hour)
	d.observe(300)
	if d.decide(d.ask("petit", "starter")) {
		t.Error("one that fits waits behind one that never will")
	}
	d.observe(1000) // once there are more nodes, it is first in line, and nobody passes it
	d.observe(700)
	if !d.decide(d.ask("autre", "starter")) {
		t.Error("after 30 days somebody still passed")
	}
}

// Of whom nothing can be made any more, nobody is held up.
func TestWhatIsGoneHoldsUpNobody(t *testing.T) {
	d, _ := tight(t, storetest.SQLite(t), 10)
	gone, fine := d.ask("lilas", "starter"), d.ask("menthe", "starter")
	d.decide(gone)
	d.decide(fine)
	if err := d.store.Write(context.Background(), func(tx *store.Tx) error { // a kind that came since takes the name
		return tx.InsertSpace(hosting.Space{ID: storetest.NewID(), Shared: true, Handle: "commons-lilas", Slug: "lilas", State: hosting.SpaceApproved})
	}); err != nil {
		t.Fatal(err)
	}
	d.observe(1000)
	n, err := d.AdmitWaiting(context.Background())
	if n != 1 || err == nil || !strings.Contains(err.Error(), "lilas") || d.request(fine.ID).Request.State != hosting.RequestApproved {
		t.Errorf("admitted %d, %v", n, err)
	}
	if got := d.request(gone.ID).Request.State; got != hosting.RequestWaiting {
		t.Errorf("what nothing can be made of is %s", got)
	}
}

func TestOvercommit(t *testing.T) {
	d, _ := tight(t, storetest.SQLite(t), 200, func(o *control.Options) { o.Overcommit = hosting.Overcommit{CPU: 3, Memory: 1.5} })
	if v := d.cluster(); v.Promisable != (hosting.Resources{CPU: 600, Memory: 300, Disk: 200}) {
		t.Errorf("promisable: %+v", v.Promisable)
	}
	if d.decide(d.ask("un", "starter")) || d.decide(d.ask("deux", "starter")) || !d.decide(d.ask("trois", "starter")) {
		t.Error("not two of 128 MiB in 300 MiB")
	}
}

func TestWithdraw(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d, _ := tight(t, dsn, 900)
		ctx := context.Background()
		q := d.asked("lilas", "cloud", "lists")
		d.decide(q)
		d.observe(700) // what is lost by itself is lost
		next := d.ask("menthe", "starter")
		d.observe(640)
		if !d.decide(next) {
			t.Fatal("all is taken")
		}
		for name, want := range map[string]string{"lists": "error.withdraw_shared", "personne": "error.not_found"} {
			if err := d.Withdraw(ctx, d.staff, name, "Une bonne raison."); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := d.Withdraw(ctx, d.staff, "lilas", " "); hosting.CodeOf(err) != hosting.Invalid {
			t.Errorf("without a reason: %v", err)
		}
		if err := d.Withdraw(ctx, hosting.Actor{Role: hosting.RoleReviewer}, "lilas", "Une bonne raison."); hosting.CodeOf(err) != hosting.Forbidden {
			t.Errorf("a reviewer: %v", err)
		}
		if err := d.Withdraw(ctx, d.staff, "lilas", "Une bonne raison."); err != nil {
			t.Fatal(err)
		}
		v := d.space("lilas")
		if v.Space.State != hosting.SpaceWithdrawn || v.LastRun().State != work.RunWithdrawn || len(v.Instances) != 1 || v.Request.State != hosting.RequestRefused ||
			v.Request.Reason != "Une bonne raison." {
			t.Errorf("it is %+v, %+v", v.Space, v.Request)
		}
		if _, _, mails := d.counts("refused"); mails != 1 {
			t.Errorf("%d mails say why", mails)
		}
		if track, err := d.Track(ctx, d.links.TrackToken(q.ID)); err != nil || track.Space != nil || track.Request.State != hosting.RequestRefused {
			t.Errorf("the association is shown %+v, %v", track, err)
		}
		if got := d.request(next.ID).Request.State; got != hosting.RequestApproved {
			t.Errorf("who waited for the room is %s", got)
		}
		if a, err := d.SlugStatus(ctx, "lilas"); err != nil || a.Free() {
			t.Errorf("the name was used, and is free: %v", err)
		}
		if err := d.Withdraw(ctx, d.staff, "lilas", "Une bonne raison."); err == nil || !strings.Contains(err.Error(), "error.withdrawn") {
			t.Errorf("twice: %v", err)
		}
		if _, ok, err := d.store.ClaimRun(ctx, "w", []string{v.Space.ID}, time.Minute); ok || err != nil {
			t.Errorf("its run can be claimed: %v", err)
		}
		menthe := d.space("menthe")
		if _, ok, err := d.store.ClaimRun(ctx, "w", []string{menthe.Space.ID}, time.Minute); !ok || err != nil {
			t.Fatal(err)
		}
		if err := d.Withdraw(ctx, d.staff, "menthe", "Une bonne raison."); err == nil || !strings.Contains(err.Error(), "error.withdraw_begun") {
			t.Errorf("one that a worker began: %v", err)
		}
	})
}
