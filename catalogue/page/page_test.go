package page_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/catalogue/page"
)

var update = flag.Bool("update", false, "write the words of the page anew; levels stay, they come from runs only")

const published = "../../docs/catalogue.md"

func load(t *testing.T, dirs ...string) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestPublishedPage: all that the page says of an application is what its manifest says, and every level is one that a
// run earned for the version the manifest names.
func TestPublishedPage(t *testing.T) {
	text, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	earned, err := page.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	c := load(t)
	want := page.Write(c, earned)
	if *update {
		if err := os.WriteFile(published, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		text = []byte(want)
	}
	if string(text) != want {
		t.Errorf("%s is not what the manifests say (first difference: %s): run go test ./catalogue/page -run Published -update, "+
			"and frama catalogue test for what has another version", published, difference(string(text), want))
	}
	levels := map[string]bool{}
	for _, e := range earned {
		levels[e.App] = true
	}
	for _, a := range c.Apps() {
		if a.Status != catalogue.Retired && !levels[a.Name] {
			t.Errorf("no run has tried %s %s: run frama catalogue test %s --write docs/catalogue.md", a.Name, a.Version(), a.Name)
		}
	}
}

func difference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return "the page has " + as[i] + " instead of " + bs[i]
		}
	}
	return "one of them is longer"
}

func TestLevelsComeBack(t *testing.T) {
	c := load(t)
	etherpad, _ := c.App("etherpad")
	earned := []page.Earned{
		{App: "etherpad", Level: 6, Version: etherpad.Version(), Ran: "1.8.14" + page.BuiltHere, Next: "not tried: comes with | suspension\nsoon"},
	}
	text := page.Write(c, earned)
	back, err := page.Parse(text)
	earned[0].Next = "not tried: comes with | suspension soon"
	if err != nil || !reflect.DeepEqual(back, earned) {
		t.Errorf("Parse gives %+v (%v)", back, err)
	}
	if page.Write(c, back) != text {
		t.Error("written again, the page is another")
	}
	for _, want := range []string{"**6** leaves nothing", "| **6** | [Etherpad](#etherpad) |", "1.8.14 in an image built on the machine", "the image that the job names", "Level 7 (suspends) not tried: comes with | suspension soon."} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// What another version earned says nothing of this one.
	back[0].Version = "0.1"
	if old, err := page.Parse(page.Write(c, back)); err != nil || len(old) != 0 {
		t.Errorf("the level of another version is still there: %+v (%v)", old, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"another page":  "# Hello\n",
		"a level of 99": "\n## What the trials earned\n| x | 99 | native | 1 | |\n",
		"a short line":  "\n## What the trials earned\n| x | 1 |\n",
	} {
		if _, err := page.Parse(text); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func TestMerge(t *testing.T) {
	got := page.Merge([]page.Earned{{App: "a", Level: 1}, {App: "b", Level: 2}}, []page.Earned{{App: "b", Level: 3}, {App: "c", Level: 4}})
	want := []page.Earned{{App: "a", Level: 1}, {App: "b", Level: 3}, {App: "c", Level: 4}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Merge = %+v", got)
	}
}

// TestRetired: an application that is offered to nobody has no level, and says what replaces it.
func TestRetired(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "oldpad"), 0o755); err != nil {
		t.Fatal(err)
	}
	manifest := `name = "oldpad"
kind = "pads"
status = "retired"
replaced_by = "etherpad"
title {
  fr = "Vieux pad"
  en = "Old pad"
}
description {
  fr = "Plus proposé."
  en = "No longer offered."
}
license = "MIT"
charter_ok = true
upstream = "https://example.org"
tenancy = "instance"
first_url = "/"
backup = "none"
upgrade = "auto-on-start"
suspend = "proxy"
quota = "ingress"
version = "1.0.0"
`
	if err := os.WriteFile(filepath.Join(dir, "oldpad", "app.hcl"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	text := page.Write(load(t, dir), []page.Earned{{App: "oldpad", Level: 1, Version: "1.0.0"}})
	for _, want := range []string{"[Old pad](#oldpad) (retired) | 1.0.0 | MIT | one association | – | nothing |", "[Etherpad](#etherpad) replaces it."} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
