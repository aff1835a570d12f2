package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this binary play the parts that tests start as processes of their own: frama itself in scripts, also by
// the name that Nomad knows, and what playRole knows.
func TestMain(m *testing.M) {
	playRole()
	testscript.Main(m, map[string]func(){"frama": main})
}
