package catalogue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScaffoldPassesLint(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	drafts := []Draft{
		{Name: "toy", Kind: "pads", Image: "docker.io/library/toy:1.2.3", Port: 8080},
		{Name: "toy", Kind: "pads", Image: "ghcr.io/a/toy:v1.2.3-apache", Port: 8080, Path: "/data", UID: 33, Needs: []string{"postgres", "redis", "smtp"}},
		{Name: "my-toy2", Kind: "site", Image: "docker.io/library/toy:1.2", Port: 80, Needs: Services()[:1]},
	}
	for _, d := range drafts {
		files, err := c.Scaffold(d)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, d.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			write(t, filepath.Join(dir, d.Name, name), text)
		}
		with, err := Load(dir)
		if err != nil {
			t.Errorf("%v\n%s", err, files["app.hcl"])
			continue
		}
		found, err := with.Lint(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			if strings.HasPrefix(one.Path, dir) {
				t.Errorf("%s\n%s", one, files["job.nomad.hcl"])
			}
		}
	}
}

func TestScaffoldRefuses(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	good := Draft{Name: "toy", Kind: "pads", Image: "docker.io/library/toy:1.2.3", Port: 8080}
	cases := []struct {
		says  string
		spoil func(d *Draft)
	}{
		{"cannot be the name", func(d *Draft) { d.Name = "Toy" }},
		{`did you mean "pads"`, func(d *Draft) { d.Kind = "padz" }},
		{"must name registry", func(d *Draft) { d.Image = "toy:1.2.3" }},
		{"a tag that moves", func(d *Draft) { d.Image = "docker.io/library/toy:latest" }},
		{"a tag that moves", func(d *Draft) { d.Image = "docker.io/library/toy:9" }},
		{"no port", func(d *Draft) { d.Port = 0 }},
		{"absolute path", func(d *Draft) { d.Path = "data" }},
		{"no user ID", func(d *Draft) { d.UID = 70000 }},
		{"a backing service", func(d *Draft) { d.Needs = []string{"postgress"} }},
	}
	for _, one := range cases {
		d := good
		one.spoil(&d)
		if _, err := c.Scaffold(d); err == nil || !strings.Contains(err.Error(), one.says) {
			t.Errorf("want …%s…, got %v", one.says, err)
		}
	}
}
