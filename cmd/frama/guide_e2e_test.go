//go:build e2e

package main

import (
	"testing"

	"framagit.org/frama/frama/deploy/dev"
)

// TestTheGuideEarnsItsLevel follows the page to its end: the application that the repository does not contain is built as an
// image, installed and tried on a real Nomad.
func TestTheGuideEarnsItsLevel(t *testing.T) {
	engine, err := dev.UseEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Leave(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("DOCKER_HOST", engine.Host())
	followGuide(t, true)
}
