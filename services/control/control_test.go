package control_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/auth"
	"framagit.org/frama/frama/services/control"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/store/storetest"
	"framagit.org/frama/frama/services/work"
)

// desk is control over a real database, with a member of the staff.
type desk struct {
	*control.Control
	t     *testing.T
	store *store.Store
	links auth.Links
	staff hosting.Actor
}

func newDesk(t *testing.T, dsn string, change ...func(*control.Options)) *desk {
	t.Helper()
	return newDeskWith(t, dsn, catalogue.Images{}, change...)
}

// newDeskWith is a host with these images.
func newDeskWith(t *testing.T, dsn string, images catalogue.Images, change ...func(*control.Options)) *desk {
	t.Helper()
	apps, err := catalogue.Load("testdata/catalogue")
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, dsn)
	d := &desk{t: t, store: s, links: auth.Links{Key: []byte(strings.Repeat("k", 32)), PublicURL: "https://host.example"},
		staff: hosting.Actor{Name: "test", Role: hosting.RoleAdmin, IP: "192.0.2.1"}}
	options := control.Options{
		Platform: "example.org", PublicURL: d.links.PublicURL, HostName: "host", HostEmail: "hello@host.example",
		CharterVersion: "1", LinkKey: d.links.Key, SessionTTL: time.Hour, Now: time.Now, NewID: storetest.NewID,
	}
	for _, f := range change {
		f(&options)
	}
	d.Control = control.New(s, apps.WithImages(images), options)
	return d
}

// pending makes a request that waits for a decision.
func (d *desk) pending(slug, email string) hosting.Request {
	d.t.Helper()
	ctx := context.Background()
	q, err := d.Submit(ctx, hosting.Actor{Name: "public"}, hosting.Submission{
		Association: hosting.Association{Name: "Les Jardins partagés"}, Contact: hosting.Contact{Name: "Camille", Email: email, Lang: "fr"},
		Purpose: "Écrire les comptes rendus à plusieurs.", Slug: slug, Kinds: []string{"pads", "calcs"}, Plan: "starter", Charter: "1",
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return q
}

func (d *desk) confirm(q hosting.Request) {
	d.t.Helper()
	if _, err := d.Confirm(context.Background(), hosting.Actor{Name: "public"}, d.links.ConfirmToken(q.ID)); err != nil {
		d.t.Fatal(err)
	}
}

// counts says how many spaces, runs and mails of a template there are.
func (d *desk) counts(template string) (spaces, runs, mails int) {
	d.t.Helper()
	err := d.store.Read(context.Background(), func(tx *store.Tx) error {
		_, byState, err := tx.Spaces("", "", 0, 100)
		for _, n := range byState {
			spaces += n
		}
		if err != nil {
			return err
		}
		all, err := tx.Runs(work.RunState(""), 100)
		if err != nil {
			return err
		}
		runs = len(all)
		sent, err := tx.Mails("", 100)
		for _, m := range sent {
			if m.Template == template {
				mails++
			}
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return spaces, runs, mails
}

func TestReviewersWhoApproveAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d := newDesk(t, dsn)
		q := d.pending("jardins", "camille@asso.example")
		d.confirm(q)
		d.race(8, func(int) error {
			_, err := d.Approve(context.Background(), d.staff, q.ID)
			return err
		}, "error.decided_approved")
		if spaces, runs, mails := d.counts("approved"); spaces != 1 || runs != 1 || mails != 1 {
			t.Errorf("%d spaces, %d runs, %d mails, want one of each", spaces, runs, mails)
		}
	})
}

func TestTwoRequestsForOneNameApprovedAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d := newDesk(t, dsn)
		// Both are sent before either is confirmed: nobody blocks a name with an address that is not theirs.
		both := []hosting.Request{d.pending("jardins", "camille@asso.example"), d.pending("jardins", "dominique@asso.example")}
		d.confirm(both[0])
		d.confirm(both[1])
		d.race(2, func(n int) error {
			_, err := d.Approve(context.Background(), d.staff, both[n].ID)
			return err
		}, "error.approve_taken")
		if spaces, runs, mails := d.counts("approved"); spaces != 1 || runs != 1 || mails != 1 {
			t.Errorf("%d spaces, %d runs, %d mails, want one of each", spaces, runs, mails)
		}
	})
}

func TestApproveAgainstRefuse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		d := newDesk(t, dsn)
		q := d.pending("jardins", "camille@asso.example")
		d.confirm(q)
		d.race(2, func(n int) error {
			if n == 0 {
				return d.Refuse(context.Background(), d.staff, q.ID, "Nous sommes complets cette année.")
			}
			_, err := d.Approve(context.Background(), d.staff, q.ID)
			return err
		}, "error.decided_approved", "error.decided_refused", "error.stale")
		v, err := d.Request(context.Background(), d.staff, q.ID)
		if err != nil {
			t.Fatal(err)
		}
		spaces, _, _ := d.counts("approved")
		if approved := v.Request.State == hosting.RequestApproved; approved != (spaces == 1) {
			t.Errorf("the request is %s and there are %d spaces", v.Request.State, spaces)
		}
	})
}

// race runs do n times at once: one succeeds, the others get a Conflict with one of the keys.
func (d *desk) race(n int, do func(int) error, keys ...string) {
	d.t.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { <-start; errs[i] = do(i) })
	}
	close(start)
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		known := false
		for _, key := range keys {
			known = known || strings.Contains(err.Error(), key)
		}
		if hosting.CodeOf(err) != hosting.Conflict || !known {
			d.t.Errorf("lost with %v, want a conflict with one of %v", err, keys)
		}
	}
	if won != 1 {
		d.t.Errorf("%d succeeded, want one", won)
	}
}

func TestAnAddressIsNotSentMailWithoutEnd(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t))
	for _, slug := range []string{"un-jardin", "deux-jardins", "trois-jardins"} {
		d.pending(slug, "victime@asso.example")
	}
	_, err := d.Submit(context.Background(), hosting.Actor{Name: "public"}, hosting.Submission{
		Association: hosting.Association{Name: "Encore"}, Contact: hosting.Contact{Name: "Camille", Email: "Victime@asso.example", Lang: "fr"},
		Purpose: "Écrire les comptes rendus à plusieurs.", Slug: "encore-un", Kinds: []string{"pads"}, Plan: "starter", Charter: "1",
	})
	if hosting.CodeOf(err) != hosting.TooMany {
		t.Errorf("a fourth unconfirmed request of an address: %v", err)
	}
	if _, _, mails := d.counts("confirm"); mails != 3 {
		t.Errorf("%d mails, want 3", mails)
	}
}

func TestSignInLimits(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t))
	ctx := context.Background()
	const password = "une phrase de passe"
	if _, err := d.AddUser(ctx, d.staff, "ana@host.example", "Ana", hosting.RoleAdmin, password); err != nil {
		t.Fatal(err)
	}
	guesser := hosting.Actor{Name: "public", IP: "198.51.100.1"}
	var tried, limited int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := d.SignIn(ctx, guesser, "ana@host.example", "pas la bonne phrase")
			mu.Lock()
			defer mu.Unlock()
			switch hosting.CodeOf(err) {
			case hosting.Unsigned:
				tried++
			case hosting.TooMany:
				limited++
			}
		})
	}
	all.Wait()
	if tried != 5 || limited != 15 {
		t.Errorf("of 20 guesses at once %d were tried and %d refused, want 5 and 15", tried, limited)
	}
	// The owner, elsewhere, is not locked out by them.
	s, err := d.SignIn(ctx, hosting.Actor{Name: "public", IP: "192.0.2.7"}, "ANA@host.example", password)
	if err != nil {
		t.Fatalf("the owner cannot sign in: %v", err)
	}
	if open, err := d.Session(ctx, s.Token); err != nil || open.User.Email != "ana@host.example" {
		t.Errorf("session of %q, %v", open.User.Email, err)
	}
	if err := d.SetPassword(ctx, d.staff, "ana@host.example", "une autre phrase"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(ctx, s.Token); hosting.CodeOf(err) != hosting.Unsigned {
		t.Errorf("the session lives on after the password changed: %v", err)
	}
}

func TestRolesAreHeeded(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t))
	ctx := context.Background()
	q := d.pending("jardins", "camille@asso.example")
	d.confirm(q)
	reviewer := hosting.Actor{Name: "reviewer", Role: hosting.RoleReviewer}
	for name, do := range map[string]func() error{
		"the public reads the queue": func() error {
			_, err := d.Requests(ctx, hosting.Actor{Name: "public"}, control.RequestFilter{})
			return err
		},
		"the public approves":      func() error { _, err := d.Approve(ctx, hosting.Actor{Name: "public"}, q.ID); return err },
		"a reviewer retries a run": func() error { return d.RetryRun(ctx, reviewer, "x") },
		"a reviewer adds a user": func() error {
			_, err := d.AddUser(ctx, reviewer, "eve@host.example", "Eve", hosting.RoleAdmin, "une phrase de passe")
			return err
		},
	} {
		if err := do(); hosting.CodeOf(err) != hosting.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
	}
}
