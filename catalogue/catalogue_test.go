package catalogue

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEmbeddedCatalogueIsSound(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	diags, err := c.Lint(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diags {
		t.Error(d)
	}
}

func TestAFolderOverridesAndIsSeen(t *testing.T) {
	ours := strings.NewReplacer(`"toy"`, `"etherpad"`, `"1.2.3"`, `"9.9.9"`).Replace(good)
	dir := folder(t, "etherpad", ours, goodJob)
	write(t, filepath.Join(dir, "plans.hcl"), "plan \"huge\" {\n  title {\n    fr = \"Énorme\"\n    en = \"Huge\"\n  }\n  description {\n    fr = \"x\"\n    en = \"x\"\n  }\n  version = 1\n  accounts = 0\n  storage = 1\n  like = \"large\"\n}\n")
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	app, _ := c.App("etherpad")
	if app.Version() != "9.9.9" || app.Origin != dir || !slices.Equal(app.Overrides, []string{Embedded}) {
		t.Errorf("%+v", app)
	}
	if source, path, err := app.Job(); err != nil || source != goodJob || path != filepath.Join(dir, "etherpad", "job.nomad.hcl") {
		t.Error(path, err)
	}
	framadate, _ := c.App("framadate")
	if _, _, err := framadate.Job(); err == nil || !strings.Contains(err.Error(), "job.nomad.hcl") {
		t.Error(err)
	}
	if huge, ok := c.Plan("huge"); !ok || huge.Title("fr") != "Énorme" || len(c.Plans()) != 4 || app.Size("huge") != app.Size("large") {
		t.Error(huge, app.Size("huge"))
	}
	calc, _ := c.App("ethercalc")
	if calc.Size("huge") != calc.Size("large") || calc.Size("huge").Memory == 0 {
		t.Error("a plan like another has its sizes")
	}
	if _, err := Load(filepath.Join(dir, "nowhere")); err == nil || !strings.Contains(err.Error(), "catalogue.dirs") {
		t.Error(err)
	}
}

func TestPreferredAndRetired(t *testing.T) {
	dir := folder(t, "toy", strings.Replace(good, `status = "stable"`, "status = \"stable\"\npreferred = true", 1), goodJob)
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if app, ok := c.AppForKind("pads"); !ok || app.Name != "toy" {
		t.Error(app.Name)
	}
	if _, ok := c.Runnable().App("toy"); !ok {
		t.Error("toy does not run")
	}
	if _, ok := c.Runnable().App("framadate"); ok {
		t.Error("framadate has no job")
	}
	if _, ok := c.WithImages(Images{NoPull: true}).Runnable().AppForKind("cloud"); ok {
		t.Error("there is no cloud without its images")
	}
	retired := folder(t, "toy", strings.Replace(good, `"stable"`, "\"retired\"\nreplaced_by = \"etherpad\"", 1), goodJob)
	if c, err = Load(retired); err != nil {
		t.Fatal(err)
	}
	if app, _ := c.AppForKind("pads"); app.Name != "etherpad" {
		t.Error(app.Name)
	}
}

func TestFixedValues(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	app, _ := c.App("etherpad")
	fixed := app.Fixed(map[string]string{"association": "Les amis", "language": "fr"})
	if len(fixed) != 2 || fixed["title"] != "Les amis" || fixed["language"] != "fr" {
		t.Error(fixed)
	}
}

func TestSecretsAreMade(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	app, _ := c.App("etherpad")
	makers := app.Generated(rand.Reader)
	if len(makers["admin_password"]()) != 32 || len(makers["api_key"]()) != 64 || makers["api_key"]() == makers["session_key"]() {
		t.Error("makers", makers)
	}
	// 255 is above the largest multiple of 62: drawn again, so that no letter is likelier than others.
	if got := (Secret{Length: 2}).Make(bytes.NewReader([]byte{255, 0, 61})); got != "A9" {
		t.Error(got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a secret was made without randomness")
		}
	}()
	Secret{Length: 2}.Make(bytes.NewReader(nil))
}

func TestLintAsksForTheExtremes(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]int{}
	diags, err := c.Lint(t.Context(), func(_ context.Context, f JobFile) ([]Finding, error) {
		asked[f.App+" "+f.Plan] = f.Memory
		return []Finding{{Line: 7, Message: "says the cluster"}}, nil
	})
	if err != nil || asked["etherpad starter"] != 256 || asked["etherpad large"] != 512 || asked["etherpad standard"] != 0 {
		t.Error(asked, err)
	}
	if len(diags) == 0 || diags[0].Line != 7 {
		t.Error(diags)
	}
	gone := errors.New("the cluster went away")
	if _, err := c.Lint(t.Context(), func(context.Context, JobFile) ([]Finding, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
}

// A space with an application of every core kind fits into each plan: otherwise the form would warn of what the host itself
// proposes.
func TestCoreKindsFitEveryPlan(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Plans() {
		sum := 0
		for _, k := range c.AllKinds() {
			if app, ok := c.AppForKind(k.ID); ok && k.Core {
				sum += app.Size(p.ID).Disk
			}
		}
		if sum == 0 || sum > p.StorageMiB {
			t.Errorf("plan %s has %d MiB, the core kinds take %d", p.ID, p.StorageMiB, sum)
		}
	}
}
