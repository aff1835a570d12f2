package catalogue

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"framagit.org/frama/frama/services/hosting"
)

func TestPlansAreRead(t *testing.T) {
	dir, _ := quotaFolder(t, plansFile, "", "")
	c, found := lintQuotas(t, dir)
	if len(found) > 0 {
		t.Fatal(found)
	}
	village, _ := c.Plan("village")
	want := hosting.PlanVersion{
		Plan: "village", Version: 3,
		Limits: hosting.Limits{"accounts": 20, "storage": 20480 << 20, "pads": 500},
		Thresholds: []hosting.Threshold{
			{Level: hosting.LevelNotice, At: 70}, {Level: hosting.LevelWarning, At: 95},
			{Level: hosting.LevelFull, At: 100, Stops: true, Grace: 30 * 24 * time.Hour}, {Level: hosting.LevelOver, At: 200, Stops: true},
		},
		Retention: []hosting.RetentionRule{{Metric: "pads", Unused: 730 * 24 * time.Hour, Announce: 30 * 24 * time.Hour}},
	}
	if got := village.InForce(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if village.Where() != filepath.Join(dir, plansFile)+":1" {
		t.Error(village.Where())
	}
	village.InForce().Thresholds[0].At = 1
	if village.InForce().Thresholds[0].At != 70 {
		t.Error("who asks for a plan can change it")
	}
}

func TestPlansOfTheCatalogue(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Plans() {
		v := p.InForce()
		if v.Version < 1 || v.Limits["storage"] != int64(p.StorageMiB)<<20 || v.Limits["accounts"] != int64(p.Accounts) || len(v.Limits) != 2 {
			t.Errorf("%+v", v)
		}
		if !slices.Equal(v.Thresholds, hosting.DefaultThresholds()) || len(v.Retention) != 0 || !v.AppliedAt.IsZero() {
			t.Errorf("%+v", v)
		}
	}
	unlimited := Plan{StorageMiB: 1}.InForce()
	if _, limited := unlimited.Limits["accounts"]; limited {
		t.Error("a plan of 0 accounts has no limit of accounts")
	}
}

func TestEnforceAndRetainAreRead(t *testing.T) {
	dir, _ := quotaFolder(t, entryFile, "", "")
	c, found := lintQuotas(t, dir)
	if len(found) > 0 {
		t.Fatal(found)
	}
	toy, _ := c.App("toy")
	e := toy.Run().Enforce
	if e.Setting != "pads_stopped" || !slices.Equal(e.Stop.Command, []string{"toy", "lock"}) || e.Allow.Requests[0].Method != "POST" ||
		e.Tell.Command[2] != "{storage_mib}" || !slices.Equal(e.Writes, []string{"/login", "/pads/delete/"}) {
		t.Errorf("%+v", e)
	}
	r := toy.Run().Retain
	if len(r) != 1 || r[0].Metric != "pads" || r[0].List.Method != "GET" || r[0].Names != "data.ids" || r[0].ChangedAt != "data.changed" ||
		r[0].Export.Path != "/pads/{object}/txt" || r[0].ExportAs != "txt" || r[0].Remove.Method != "DELETE" {
		t.Errorf("%+v", r)
	}
	if makers := toy.Generated(rand.Reader); makers["pads_stopped"] == nil || makers["pads_stopped"]() != "false" {
		t.Error("a fresh instance is not stopped")
	}
}

// An application that is told how much it may store still needs the ingress for other limits.
func TestWhatEnforceReaches(t *testing.T) {
	tell := func(words ...string) Enforce { return Enforce{Tell: Act{Command: words}} }
	asked := Enforce{Tell: Act{Requests: []Request{{Path: "/limit", Headers: map[string]string{"X-Most": "{accounts}"}}}}}
	cases := []struct {
		name                   string
		enforce                Enforce
		storage, accounts, pad bool
	}{
		{"nothing", Enforce{}, false, false, false},
		{"the ingress", Enforce{Writes: []string{"/login"}}, false, false, false},
		{"a setting", Enforce{Setting: "edit_only"}, true, true, true},
		{"a command", Enforce{Stop: Act{Command: []string{"x"}}, Allow: Act{Command: []string{"y"}}}, true, true, true},
		{"told MiB", tell("quota", "{storage_mib} MB"), true, false, false},
		{"told bytes", tell("quota", "{storage_bytes}"), true, false, false},
		{"told people by a request", asked, false, true, false},
	}
	for _, c := range cases {
		if got := c.enforce; got.Reaches("storage") != c.storage || got.Reaches("accounts") != c.accounts || got.Reaches("pads") != c.pad {
			t.Errorf("%s: storage %t, accounts %t, pads %t", c.name, got.Reaches("storage"), got.Reaches("accounts"), got.Reaches("pads"))
		}
	}
}

func TestEtherpadStopsAndLetsGo(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	app, _ := c.App("etherpad")
	run := app.Run()
	if run.Enforce.Setting != "edit_only" || len(run.Retain) != 1 || run.Retain[0].Metric != "pads" {
		t.Errorf("%+v", run)
	}
}

// Whatever a plan names, its thresholds are taken when they rise, with the defaults for what it does not name.
func TestThresholdsRise(t *testing.T) {
	levels := []string{"notice", "warning", "full", "over"}
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		at := map[string]int{"notice": 80, "warning": 95, "full": 100, "over": 150}
		for _, level := range levels {
			if !rapid.Bool().Draw(t, level) {
				continue
			}
			at[level] = rapid.IntRange(1, 200).Draw(t, level)
			fmt.Fprintf(&text, "threshold %q {\n at = %d\n stops = %t\n}\n", level, at[level], level == "full" || level == "over")
		}
		var diags Diagnostics
		var p Plan
		p.readThresholds(open([]byte(text.String()), "plans.hcl", "the plan", &diags))
		rises := at["notice"] < at["warning"] && at["warning"] < at["full"] && at["full"] < at["over"]
		if rises != (len(diags) == 0) {
			t.Fatalf("rises %t: %v\n%s", rises, diags, text.String())
		}
		for i, threshold := range p.thresholds {
			if string(threshold.Level) != levels[i] || threshold.At != at[levels[i]] {
				t.Fatalf("%+v\n%s", p.thresholds, text.String())
			}
		}
	})
}

// A duration that is written as files do is read as the same.
func TestDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.IntRange(0, 999_999).Draw(t, "hours")) * time.Hour
		if got, ok := parseDuration(inDays(d)); !ok || got != d {
			t.Fatal(inDays(d), got)
		}
	})
	for _, bad := range []string{"", "14", "d", "14 d", "1.5d", "-1d", "14D", "14m", "1d12h", "213535d", "999999d", "1000000d", "٣d"} {
		if _, ok := parseDuration(bad); ok {
			t.Error(bad, "passed")
		}
	}
}

// What the page for hosts shows is a plan that can be used as it is.
func TestTheExampleOfThePageHolds(t *testing.T) {
	page, err := os.ReadFile("../docs/operate/plans.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```hcl\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the page has no example")
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, plansFile), example)
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if village, ok := c.Plan("village"); !ok || village.InForce().Limits["pads"] != 500 || len(village.InForce().Retention) != 1 {
		t.Error(village)
	}
}

// A host that only changes plans has a folder without applications.
func TestLintReadsAFolderOfPlans(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, plansFile), goodPlans)
	if found, err := LintFolders(t.Context(), nil, []string{dir}, nil); err != nil || len(found) > 0 {
		t.Fatal(found, err)
	}
	write(t, filepath.Join(dir, plansFile), strings.Replace(goodPlans, "at = 70", "at = 99", 1))
	found, err := LintFolders(t.Context(), nil, []string{dir}, nil)
	if err != nil || len(found) != 1 || found[0].Path != filepath.Join(dir, plansFile) || found[0].Line != 19 || found[0].Column != 10 {
		t.Error(found, err)
	}
}
