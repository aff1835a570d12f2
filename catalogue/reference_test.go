package catalogue

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the generated pages anew")

const referencePage = "../docs/develop/manifest.md"

func TestReferenceIsCurrent(t *testing.T) {
	if *update {
		if err := os.WriteFile(referencePage, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(referencePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != Reference() {
		t.Errorf("%s is not what the code says: run go test ./catalogue -run Reference -update", referencePage)
	}
}

func TestEveryKeyHasAMeaning(t *testing.T) {
	meanings := keyMeanings()
	for prefix, keys := range map[string][]Key{"": ManifestKeys(), "kinds.": KindKeys(), "plans.": PlanKeys()} {
		for _, k := range keys {
			if _, ok := meanings[prefix+k.Path]; !ok {
				t.Errorf("nobody says what %s%s is for", prefix, k.Path)
			}
			delete(meanings, prefix+k.Path)
		}
	}
	for path := range meanings {
		t.Errorf("%s is no key", path)
	}
}
