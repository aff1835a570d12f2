package provisioner_test

import (
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/mail"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// letters are the mails of a template by recipient.
func (w *world) letters(template string) map[string]store.Mail {
	w.t.Helper()
	found := map[string]store.Mail{}
	err := w.store.Read(w.t.Context(), func(tx *store.Tx) error {
		mails, err := tx.Mails("", 100)
		for _, m := range mails {
			if m.Template == template {
				found[m.Recipient] = m
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func TestASpaceThatOnlySharesBecomesActive(t *testing.T) {
	w := newWorld(t, "lists", "pads")
	w.approved("lilas", "lists")

	v := w.work("lilas")
	if s := step(v); s.Name != "shared" || s.State != work.StepWaiting || v.Space.State != hosting.SpaceProvisioning ||
		!strings.Contains(s.Message, "lists.example.org") || !strings.Contains(s.Message, "commons-one-for-all): shared") {
		t.Fatalf("before the shared instance is there: %s, %+v", v.Space.State, s)
	}
	commons := w.work("commons-one-for-all")
	if commons.Space.State != hosting.SpaceActive || commons.LastRun().State != work.RunDone || commons.Instances[0].Certificate == nil {
		t.Fatalf("the host's own space: %+v", commons)
	}
	if jobs := w.cluster.jobs; len(jobs) != 1 || jobs[0].ID != "commons-one-for-all-one-for-all" ||
		jobs[0].Variables["host"] != "lists.example.org" || jobs[0].Memory != 512 {
		t.Errorf("jobs: %+v", jobs)
	}

	v = w.work("lilas")
	if v.Space.State != hosting.SpaceActive || v.LastRun().State != work.RunDone {
		t.Fatalf("after: %s, %+v", v.Space.State, step(v))
	}
	if len(w.cluster.jobs) != 1 || len(w.cluster.volumes) != 1 {
		t.Errorf("something was made for a space that has nothing of its own: %+v, %v", w.cluster.jobs, w.cluster.volumes)
	}
	letters := w.letters(mail.TemplateActive)
	if len(letters) != 1 || !strings.Contains(letters["lilas@asso.example"].Args[mail.ArgAddresses], "https://lists.example.org/start") {
		t.Errorf("welcome mails: %+v", letters)
	}
	snap, err := w.p.Snapshot(t.Context())
	if err != nil || len(snap.Routes) != 1 || snap.Routes[0].Host != "lists.example.org" || len(snap.Certificates) != 1 {
		t.Errorf("the ingress gets %+v, %v", snap, err)
	}

	// Whoever comes later has nothing to wait for, and gets what is of its own beside.
	w.approved("menthe", "pads", "lists")
	v = w.work("menthe")
	if v.Space.State != hosting.SpaceActive || len(w.cluster.jobs) != 2 {
		t.Fatalf("a later one: %s, %+v", v.Space.State, step(v))
	}
	addresses := w.letters(mail.TemplateActive)["menthe@asso.example"].Args[mail.ArgAddresses]
	for _, url := range []string{"https://menthe-pads.example.org/start", "https://lists.example.org/start"} {
		if !strings.Contains(addresses, url) {
			t.Errorf("the mail lacks %s: %s", url, addresses)
		}
	}
}

func TestWhatASpaceWaitsForWhenTheSharedInstanceFails(t *testing.T) {
	w := newWorld(t, "lists")
	w.approved("lilas", "lists")
	images := w.p.Catalogue
	w.p.Catalogue = images.WithImages(catalogue.Images{NoPull: true}) // the host's space cannot be provisioned
	if v := w.work("lists"); v.Space.State != hosting.SpaceFailed {
		t.Fatalf("the host's space is %s at %+v", v.Space.State, step(v))
	}
	v := w.work("lilas")
	if s := step(v); s.State != work.StepWaiting || !strings.Contains(s.Message, "frama provision commons-one-for-all") {
		t.Errorf("it waits for %q", s.Message)
	}
	w.p.Catalogue = images
	if err := w.RetryRun(t.Context(), operator, w.space("lists").LastRun().ID); err != nil {
		t.Fatal(err)
	}
	if v := w.work("lists"); v.Space.State != hosting.SpaceActive {
		t.Fatalf("once mended: %s, %+v", v.Space.State, step(v))
	}
	if v := w.work("lilas"); v.Space.State != hosting.SpaceActive {
		t.Errorf("and then: %s, %+v", v.Space.State, step(v))
	}
}

// Spaces that wait for a shared instance ask seldom, since they may be many; once it is open they go on at once.
func TestWhoeverWaitsIsWoken(t *testing.T) {
	w := newWorld(t, "lists")
	w.approved("lilas", "lists")
	if wait := time.Until(w.work("lilas").LastRun().NotBefore); wait < 3*time.Second {
		t.Errorf("it asks again in %s", wait)
	}
	images := w.p.Catalogue
	w.p.Catalogue = images.WithImages(catalogue.Images{NoPull: true})
	if v := w.work("lists"); v.Space.State != hosting.SpaceFailed {
		t.Fatal(v.Space.State)
	}
	if wait := time.Until(w.work("lilas").LastRun().NotBefore); wait < 20*time.Second {
		t.Errorf("of what waits for a person, it asks again in %s", wait)
	}
	w.p.Catalogue = images
	if err := w.RetryRun(t.Context(), operator, w.space("lists").LastRun().ID); err != nil {
		t.Fatal(err)
	}
	if v := w.work("lists"); v.Space.State != hosting.SpaceActive {
		t.Fatal(v.Space.State)
	}
	if wait := time.Until(w.space("lilas").LastRun().NotBefore); wait > 0 {
		t.Errorf("it is open, and lilas waits another %s", wait)
	}
}

func TestImagesThatTheHostBuilds(t *testing.T) {
	w := newWorld(t, "forms")
	w.approved("lilas", "forms")
	v := w.work("lilas")
	s := step(v)
	if s.Name != "jobs" || v.LastRun().State != work.RunParked {
		t.Fatalf("without a registry: %+v", s)
	}
	for _, word := range []string{"own-image:1.0.0", "https://example.org/own-image/Dockerfile", "catalogue.registry"} {
		if !strings.Contains(s.Message, word) {
			t.Errorf("the message lacks %s: %s", word, s.Message)
		}
	}
	w.p.Options.Registry = "registry.example.org/ours"
	if err := w.RetryRun(t.Context(), operator, v.LastRun().ID); err != nil {
		t.Fatal(err)
	}
	if v := w.work("lilas"); v.Space.State != hosting.SpaceActive {
		t.Fatalf("with one: %+v", step(v))
	}
	if got := w.cluster.jobs[0].Variables["registry"]; got != "registry.example.org/ours" {
		t.Errorf("the job's registry is %v", got)
	}
}
