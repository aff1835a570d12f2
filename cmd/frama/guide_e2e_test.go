//go:build e2e

package main

import "testing"

// TestTheGuideEarnsItsLevel follows the page to its end: the application that the repository does not contain is
// installed and tried on a real Nomad.
func TestTheGuideEarnsItsLevel(t *testing.T) { followGuide(t, true) }
