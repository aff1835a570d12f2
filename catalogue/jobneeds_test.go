package catalogue_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"framagit.org/frama/frama/catalogue"
)

// Every job of the catalogue says what it needs of a node without a variable.
func TestJobsSayTheirDrivers(t *testing.T) {
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	longest := map[string]time.Duration{}
	for _, app := range c.Apps() {
		if !app.HasJob() {
			continue
		}
		needs, err := app.JobNeeds()
		if err != nil || strings.Join(needs.Drivers, " ") != "docker" {
			t.Errorf("%s: %+v, %v", app.Name, needs, err)
		}
		longest[app.Name] = needs.KillTimeout
	}
	if longest["nextcloud"] != time.Minute || longest["onlyoffice"] != 4*time.Minute {
		t.Errorf("kill timeouts: %v", longest)
	}
}

// A driver that hangs on a variable could be any: placement has to know it before the job exists.
func TestADriverIsWrittenOut(t *testing.T) {
	dir := t.TempDir()
	toy := filepath.Join(dir, "toy")
	if err := os.CopyFS(toy, os.DirFS("testdata/toy")); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(toy + "/*.nomad.hcl")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "driver ") {
				line = `driver = "${var.job_id}"`
			}
			lines = append(lines, line)
		}
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := catalogue.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	app, ok := c.App("toy")
	if !ok {
		t.Fatal("no toy")
	}
	if _, err := app.JobNeeds(); err == nil || !strings.Contains(err.Error(), "driver") {
		t.Errorf("%v", err)
	}
}
