package dev

import "testing"

// TestFreePorts: two parts that look for ports at about the same time never find the same.
func TestFreePorts(t *testing.T) {
	given := map[int]bool{}
	for range 400 {
		ports, err := FreePorts(3)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if given[p] {
				t.Fatalf("port %d was given twice", p)
			}
			given[p] = true
		}
	}
}
