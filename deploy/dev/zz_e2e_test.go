//go:build e2e

package dev

import ("testing";"os";"fmt";"context")

func TestZZ(t *testing.T) {
	o := nomadOptions(t)
	for i := range 3 {
		n := startNomad(t, o)
		if i==0 { makeVolume(t, n, "writer-data"); register(t, n, writer) }
		starts(t, n, i+1)
		text, _ := os.ReadFile(n.LogFile)
		os.WriteFile(fmt.Sprintf("/tmp/d/nomad-%d.log", i), text, 0o644)
		n.Stop(context.Background())
	}
}
