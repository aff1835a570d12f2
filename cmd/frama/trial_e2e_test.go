//go:build e2e

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/catalogue/page"
	"framagit.org/frama/frama/provisioner/trial"
)

// TestCatalogueTrial tries every application on one platform, with two that are broken on purpose: the levels are those
// that docs/catalogue.md publishes, and what is broken gets a low one, with the reason.
func TestCatalogueTrial(t *testing.T) {
	broken, err := filepath.Abs("testdata/trial")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FRAMA_CATALOGUE_DIRS", broken)
	dir := shortDir(t)
	t.Setenv("TMPDIR", dir) // so that one sees what a run leaves
	var out, log bytes.Buffer
	written := filepath.Join(t.TempDir(), "catalogue.md")
	status := run(t.Context(), []string{"catalogue", "test", "--all", "--images", imagesBuilt, "--json", "--write", written}, strings.NewReader(""), &out, &log)
	if status != exitFailed {
		t.Errorf("status %d, though two applications are broken", status)
	}
	var results []trial.Result
	if err := json.Unmarshal(out.Bytes(), &results); err != nil {
		t.Fatalf("%v: %s\n%s", err, out.String(), log.String())
	}
	if t.Failed() {
		t.Log(log.String())
	}
	levels := published(t)
	apps, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		app, ours := apps.App(r.App)
		switch {
		case !ours: // the broken ones
		case app.Status == catalogue.Retired:
			if !r.Retired || r.Level != trial.Nothing {
				t.Errorf("%s is retired and was tried: %+v", r.App, r)
			}
		default:
			want, known := levels[r.App]
			if r.Ran == "" { // no image of it is on this machine: another one earned more
				want = min(want, trial.Accepted)
			}
			if !known || r.Level != want {
				t.Errorf("%s earned level %d, docs/catalogue.md says %d (%v): %+v", r.App, r.Level, want, known, r.Outcomes)
			}
		}
		if ours && !r.OK() {
			t.Errorf("%s: %s", r.App, next(r))
		}
		if r.Ran == "" && r.Level > trial.Accepted {
			t.Errorf("%s did not run, and was given level %d", r.App, r.Level)
		}
	}
	if len(results) != len(apps.Apps())+2 {
		t.Errorf("%d results of %d applications", len(results), len(apps.Apps())+2)
	}
	expectBroken(t, results, "forgetful", trial.Works, "after a restart: read: request note:", `it begins with: no such note`)
	expectBroken(t, results, "unhealthy", trial.Accepted, "step healthy: pads is not healthy after")

	text, err := os.ReadFile(written)
	if err != nil || !strings.Contains(string(text), "| forgetful | 3 | 3.3.1 | 1.8.14 built | failed: after a restart") {
		t.Errorf("the page that was written does not say what the run earned (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "frama-trial*")); len(left) > 0 {
		t.Errorf("the run left %v", left)
	}
}

// expectBroken wants a level, and the words of why it is no higher.
func expectBroken(t *testing.T, results []trial.Result, app string, level trial.Level, words ...string) {
	t.Helper()
	for _, r := range results {
		if r.App != app {
			continue
		}
		stopped, _ := r.Stopped()
		if r.Level != level || stopped.State != trial.Failed {
			t.Errorf("%s earned level %d: %+v", app, r.Level, r.Outcomes)
		}
		for _, w := range words {
			if !strings.Contains(stopped.Reason, w) {
				t.Errorf("the reason for %s does not say %q: %s", app, w, stopped.Reason)
			}
		}
		return
	}
	t.Errorf("%s was not tried", app)
}

// published are the levels of docs/catalogue.md.
func published(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../docs/catalogue.md")
	if err != nil {
		t.Fatal(err)
	}
	earned, err := page.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]int{}
	for _, e := range earned {
		levels[e.App] = e.Level
	}
	return levels
}
