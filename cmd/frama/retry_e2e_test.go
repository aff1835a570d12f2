//go:build e2e

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/deploy/journey"
)

// TestJourneyRetried: an application that cannot start parks its run with the scheduler's words; once it is mended, a
// retry registers its job afresh and the space opens.
func TestJourneyRetried(t *testing.T) {
	apps := tinyCatalogue(t)
	binary := filepath.Join(filepath.Dir(apps), "tiny")
	good, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	// Nomad gives a deployment up after its progress deadline; the test does not wait for minutes.
	job := filepath.Join(apps, "tinypads", "job.nomad.hcl")
	text, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	quick := strings.NewReplacer(`healthy_deadline  = "1m"`, `healthy_deadline  = "10s"`, `progress_deadline = "2m"`, `progress_deadline = "15s"`)
	if err := os.WriteFile(job, []byte(quick.Replace(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	b.reconfigure(func(text string) string {
		return tinyOffer(text, apps)
	})
	frama := buildFrama(t, "retry")
	b.mustFrama(frama, "", "migrate")
	b.mustFrama(frama, devPassword+"\n", "user", "add", devEmail, "--role", "admin")
	b.start("serve", frama, "serve")
	b.start("edge", frama, "edge")
	await(t, 20*time.Second, "frama serves", func() error { return answers(http.DefaultClient, b.config.PublicURL+"/healthz") })
	q := journey.Sample("lilas")
	q.Kinds = []string{"pads"}
	j := b.journey(frama, q)
	var r journey.Result
	for _, step := range []func() error{
		func() error { return j.Ask(t.Context(), &r) }, func() error { return j.Confirm(t.Context(), &r) },
		func() error { return j.Approve(t.Context(), &r) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.frama(frama, "", "provision", "--timeout", "3m")
	if err == nil || !strings.Contains(out, "pads does not start") {
		t.Fatalf("an application that cannot start: %v\n%s", err, out)
	}
	if out := b.mustFrama(frama, "", "space", "list", "--state", "failed"); !strings.Contains(out, "lilas") {
		t.Errorf("the space does not show that it needs somebody:\n%s", out)
	}
	if err := os.WriteFile(binary, good, 0o755); err != nil {
		t.Fatal(err)
	}
	out = b.mustFrama(frama, "", "provision", "lilas", "--timeout", "3m")
	if !strings.Contains(out, "1 active, 0 failed") {
		t.Errorf("after the retry:\n%s", out)
	}
	if err := j.Follow(t.Context(), &r); err != nil {
		t.Error(err)
	}
	if err := j.Visit(t.Context(), &r); err != nil {
		t.Error(err)
	}
}
