package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets this binary play the parts that tests start as processes of their own: frama itself in scripts, and wherever a
// platform inside a test starts frama again (its volume plugin), and what playRole knows. Options come first for a test binary,
// commands for frama.
func TestMain(m *testing.M) {
	playRole()
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		main()
	}
	testscript.Main(m, map[string]func(){"frama": main})
}
