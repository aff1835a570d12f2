package control_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// sharing is a desk of a host that also offers two kinds that all associations share.
func sharing(t *testing.T, dsn string) *desk {
	t.Helper()
	return newDesk(t, dsn, func(o *control.Options) { o.Offer = []string{"meet", "pads", "calcs", "lists"} })
}

// asked makes a confirmed request for the kinds.
func (d *desk) asked(slug string, kinds ...string) hosting.Request {
	d.t.Helper()
	q, err := d.Submit(context.Background(), hosting.Actor{Name: "public"}, hosting.Submission{
		Association: hosting.Association{Name: "Les Jardins partagés"},
		Contact:     hosting.Contact{Name: "Camille", Email: slug + "@asso.example", Lang: "fr"},
		Purpose:     "Écrire les comptes rendus à plusieurs.", Slug: slug, Kinds: kinds, Plan: "starter", Charter: "1",
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.confirm(q)
	return q
}

func (d *desk) approve(q hosting.Request) hosting.Space {
	d.t.Helper()
	a, err := d.Approve(context.Background(), d.staff, q.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return a.Space
}

func (d *desk) space(name string) control.SpaceView {
	d.t.Helper()
	v, err := d.Space(context.Background(), d.staff, name)
	if err != nil {
		d.t.Fatal(err)
	}
	return v
}

func TestTheFirstOfAllGetsTheSharedInstanceMade(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d := sharing(t, dsn)
		first, second := d.asked("lilas", "pads", "lists"), d.asked("menthe", "lists")
		before, err := d.Request(context.Background(), d.staff, first.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := before.Apps[1]; !got.Shared || got.Resources.Memory != 512 || before.Cost.Memory != before.Apps[0].Resources.Memory+512 {
			t.Errorf("the reviewer is told %+v for the shared kind, %+v in all", got.Resources, before.Cost)
		}
		d.approve(first)
		after, err := d.Request(context.Background(), d.staff, second.ID)
		if err != nil {
			t.Fatal(err)
		}
		if after.Cost.Memory != 0 {
			t.Errorf("what is there already costs %+v", after.Cost)
		}
		d.approve(second)

		commons := d.space("commons-all-lists")
		if s := commons.Space; !s.Shared || s.Slug != "lists" || s.RequestID != "" || s.Name != "host" || s.Email != "hello@host.example" ||
			s.Plan != "large" || s.State != hosting.SpaceApproved {
			t.Errorf("the host's space is %+v", s)
		}
		if len(commons.Instances) != 1 || commons.Instances[0].URL != "https://lists.example.org" || commons.Instances[0].Shared ||
			commons.Instances[0].Job != "commons-all-lists-all-lists" {
			t.Errorf("it has %+v", commons.Instances)
		}
		if run := commons.LastRun(); run == nil || run.State != work.RunReady || run.Steps[0].Name != "shared" {
			t.Errorf("its run is %+v", run)
		}
		if len(commons.UsedBy) != 2 || commons.Users != 2 || !reflect.DeepEqual(commons.Request, hosting.Request{}) {
			t.Errorf("used by %+v, request %+v", commons.UsedBy, commons.Request)
		}
		if len(commons.Audit) != 1 || commons.Audit[0].Action != "space.commons" || commons.Audit[0].Actor != "test" {
			t.Errorf("audit: %+v", commons.Audit)
		}

		lilas := d.space("lilas")
		if len(lilas.Instances) != 2 || lilas.Instances[0].Kind != "pads" || lilas.Instances[0].Shared {
			t.Fatalf("lilas has %+v", lilas.Instances)
		}
		if i := lilas.Instances[1]; !i.Shared || i.SpaceID != commons.Space.ID || i.URL != "https://lists.example.org" ||
			i.Title["fr"] != "Titre de all-lists" || i.Certificate != nil {
			t.Errorf("it shares %+v", i)
		}
		if menthe := d.space("menthe"); len(menthe.Instances) != 1 || !menthe.Instances[0].Shared || menthe.LastRun() == nil {
			t.Errorf("menthe has %+v", menthe.Instances)
		}
		track, err := d.Track(context.Background(), d.links.TrackToken(first.ID))
		if err != nil || len(track.Space.Instances) != 2 || track.Space.UsedBy != nil {
			t.Errorf("the association sees %+v, %v", track.Space, err)
		}
		page, err := d.Spaces(context.Background(), d.staff, control.SpaceFilter{})
		if err != nil || page.Total != 3 || page.Spaces[1].Users+page.Spaces[2].Users+page.Spaces[0].Users != 2 {
			t.Errorf("the list: %+v, %v", page, err)
		}
	})
}

// However approvals meet, each shared kind runs once, whoever asked for it uses that one, and nobody is told of a clash.
func TestApprovalsThatNeedTheSameSharedKindAtOnce(t *testing.T) {
	queues := rapid.SliceOfN(rapid.SampledFrom([][]string{
		{"lists"}, {"meet"}, {"lists", "meet"}, {"meet", "lists"}, {"pads", "lists"}, {"meet", "calcs", "lists"},
	}), 2, 6)
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.PostgreSQL} {
		for round := range 8 {
			t.Run(fmt.Sprint(name, " ", round), func(t *testing.T) { approveAll(t, fresh(t), queues.Example(round)) })
		}
	}
}

// approveAll approves a request for each set of kinds, all at the same moment.
func approveAll(t *testing.T, dsn string, kinds [][]string) {
	d := sharing(t, dsn)
	var queue []hosting.Request
	wants := map[string]int{}
	for n, set := range kinds {
		queue = append(queue, d.asked(fmt.Sprint("asso", n), set...))
		for _, kind := range set {
			wants[kind]++
		}
	}
	start := make(chan struct{})
	var all sync.WaitGroup
	errs := make([]error, len(queue))
	for n, q := range queue {
		all.Go(func() {
			<-start
			_, errs[n] = d.Approve(context.Background(), d.staff, q.ID)
		})
	}
	close(start)
	all.Wait()
	for n, err := range errs {
		if err != nil {
			t.Fatalf("of %v, number %d: %v", kinds, n, err)
		}
	}
	want := len(queue)
	for _, kind := range []string{"lists", "meet"} {
		if wants[kind] == 0 {
			continue
		}
		want++
		if v := d.space(kind); !v.Space.Shared || v.Users != wants[kind] || len(v.Instances) != 1 || len(v.Runs) != 1 {
			t.Errorf("of %v: %s has %d users, want %d; instances %+v, %d runs", kinds, kind, v.Users, wants[kind], v.Instances, len(v.Runs))
		}
	}
	if spaces, runs, _ := d.counts("approved"); spaces != want || runs != want {
		t.Errorf("of %v: %d spaces and %d runs, want %d", kinds, spaces, runs, want)
	}
}

// A name that an association has from before the kind came is not taken away, and the reviewer is told.
func TestASharedKindWhoseNameIsTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d := sharing(t, dsn)
		storetest.AddSpace(t, d.store, "lists")
		q := d.asked("lilas", "pads", "lists")
		_, err := d.Approve(context.Background(), d.staff, q.ID)
		if hosting.CodeOf(err) != hosting.Conflict || !strings.Contains(err.Error(), "error.shared_name_taken") {
			t.Errorf("got %v", err)
		}
		if spaces, runs, _ := d.counts("approved"); spaces != 1 || runs != 0 {
			t.Errorf("%d spaces and %d runs: something was left behind", spaces, runs)
		}
	})
}

func TestNobodyGetsTheNameOfAKind(t *testing.T) {
	d := sharing(t, storetest.SQLite(t))
	for _, slug := range []string{"lists", "office", "wiki", "anne-lists", "commons-all-lists"} {
		a, err := d.SlugStatus(context.Background(), slug)
		if err != nil || a.Problem != "error.slug_reserved" || a.Proposal == slug {
			t.Errorf("%s: %+v, %v", slug, a, err)
		}
	}
	// Asked for before there was such a kind.
	q := storetest.AddRequest(t, d.store, storetest.NewRequest("lists"))
	_, err := d.Approve(context.Background(), d.staff, q.ID)
	if hosting.CodeOf(err) != hosting.Conflict || !strings.Contains(err.Error(), "error.approve_taken") {
		t.Errorf("a request for the name of a kind: %v", err)
	}
	// What is shared has no address of the space's own.
	a, err := d.SlugStatus(context.Background(), "lilas")
	if want := []string{"lilas-pads.example.org", "lilas-calcs.example.org"}; err != nil || !slices.Equal(a.Hosts, want) {
		t.Errorf("hosts %v, want %v; %v", a.Hosts, want, err)
	}
	// A reviewer sees the addresses that are asked for.
	asks := storetest.NewRequest("rosiers")
	asks.Kinds = []string{"calcs", "lists"}
	v, err := d.Request(context.Background(), d.staff, storetest.AddRequest(t, d.store, asks).ID)
	if want := []string{"rosiers-calcs.example.org"}; err != nil || !slices.Equal(v.Name.Hosts, want) {
		t.Errorf("hosts %v, want %v; %v", v.Name.Hosts, want, err)
	}
}

func TestWhatIsOffered(t *testing.T) {
	for name, c := range map[string]struct {
		demo    bool
		offer   []string
		want    []string
		problem string
	}{
		"core kinds":                {false, nil, []string{"cloud", "pads", "calcs"}, ""},
		"what the host says":        {false, []string{"lists", "pads"}, []string{"pads", "lists"}, ""},
		"a stand-in, to develop":    {true, []string{"standin"}, []string{"standin"}, ""},
		"a stand-in, in production": {false, []string{"standin"}, nil, "no application of kind standin"},
		"an engine":                 {false, []string{"pads", "office"}, []string{"pads"}, "office is for other applications"},
		"a kind that is not":        {false, []string{"pads", "padz"}, []string{"pads"}, `no kind "padz"`},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, storetest.SQLite(t), func(o *control.Options) { o.Development, o.Offer = c.demo, c.offer })
			offer := d.Offer()
			for _, kind := range c.want {
				if !slices.Contains(offer.Kinds, kind) {
					t.Errorf("%s is not offered: %v", kind, offer.Kinds)
				}
			}
			if len(c.offer) > 0 && !slices.Equal(offer.Kinds, c.want) || slices.Contains(offer.Kinds, "office") {
				t.Errorf("offered: %v, want %v", offer.Kinds, c.want)
			}
			var views []string
			for _, v := range d.KindViews() {
				views = append(views, v.Kind)
			}
			if !slices.Equal(views, offer.Kinds) {
				t.Errorf("the pages show %v, the form takes %v", views, offer.Kinds)
			}
			if err := d.CheckOffer(); (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("the configuration: %v, want %q", err, c.problem)
			}
		})
	}
	d := newDesk(t, storetest.SQLite(t), func(o *control.Options) { o.SharedPlan = "huge" })
	if err := d.CheckOffer(); err == nil || !strings.Contains(err.Error(), `no plan "huge"`) {
		t.Errorf("a plan that is not: %v", err)
	}
}

// What was on offer when it was asked for is given, also when the host has changed its mind since.
func TestAnOfferThatWasMadeIsKept(t *testing.T) {
	dsn := storetest.SQLite(t)
	d := sharing(t, dsn)
	kept, gone := d.asked("lilas", "lists"), d.asked("menthe", "pads")
	later := newDesk(t, dsn, func(o *control.Options) { o.Offer = []string{"pads"}; o.SharedPlan = "starter" })
	later.approve(kept)
	if v := later.space("lists"); v.Users != 1 || v.Space.Plan != "starter" || v.Instances[0].Reserved.Memory != 128 {
		t.Errorf("the shared space: %+v", v)
	}
	_, err := later.Submit(context.Background(), hosting.Actor{Name: "public"}, hosting.Submission{Kinds: []string{"lists"}})
	if err == nil || !strings.Contains(err.Error(), "kinds: error.choice") {
		t.Errorf("a new request for what is offered no more: %v", err)
	}
	without := newDeskWith(t, dsn, catalogue.Images{NoPull: true})
	if _, err := without.Approve(context.Background(), d.staff, gone.ID); !strings.Contains(err.Error(), "error.kind_gone") {
		t.Errorf("a kind without application: %v", err)
	}
}

func TestWhatPagesAreToldOfAnApplication(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t), func(o *control.Options) { o.Offer = []string{"cloud", "lists"} })
	views := d.KindViews()
	if len(views) != 2 {
		t.Fatal(views)
	}
	cloud, lists := views[0], views[1]
	if cloud.Shared || !lists.Shared || cloud.License != "AGPL-3.0-or-later" || !cloud.CharterOK || cloud.Backup != "files" ||
		cloud.Status != catalogue.Stable {
		t.Errorf("%+v, %+v", cloud, lists)
	}
	want := map[string]map[string]string{"polls": {"fr": "Avec ses propres sondages", "en": "With polls of its own"}}
	if !reflect.DeepEqual(cloud.Includes, want) {
		t.Errorf("includes %v, want %v", cloud.Includes, want)
	}
	if len(cloud.Sizes) != 3 || cloud.Sizes[0].Plan != "starter" || cloud.Sizes[2].DiskMiB != 400 || cloud.Sizes[2].Resources.CPU != 400 {
		t.Errorf("sizes %+v", cloud.Sizes)
	}
	offered := map[string]bool{}
	for _, k := range d.Kinds() {
		offered[k.ID] = k.Offered
		if k.Title["fr"] == "" || k.Description["en"] == "" {
			t.Errorf("kind %s has no words", k.ID)
		}
	}
	if !offered["cloud"] || !offered["lists"] || offered["pads"] || offered["office"] {
		t.Errorf("offered: %v", offered)
	}
}

// A run that was parked is retried for the host's own spaces as for all others.
func TestRetryOfTheHostsOwn(t *testing.T) {
	d := sharing(t, storetest.SQLite(t))
	d.approve(d.asked("lilas", "lists"))
	commons := d.space("lists")
	ctx := context.Background()
	claim, ok, err := d.store.ClaimRun(ctx, "w", []string{commons.Space.ID}, 1e9)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	err = d.store.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.MoveSpace(commons.Space.ID, hosting.SpaceProvisioning)
		return err
	})
	if err == nil {
		err = d.store.ParkRun(ctx, claim, 0, "no")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RetryRun(ctx, d.staff, claim.Run.ID); err != nil {
		t.Fatal(err)
	}
	if v := d.space("lists"); v.Space.State != hosting.SpaceProvisioning || v.LastRun().State != work.RunReady {
		t.Errorf("%s, %s", v.Space.State, v.LastRun().State)
	}
}
