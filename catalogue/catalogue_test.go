package catalogue

import (
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
