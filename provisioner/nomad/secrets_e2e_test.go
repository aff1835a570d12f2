//go:build e2e

package nomad

import (
	"strconv"
	"sync"
	"testing"
)

// TestChangeSecrets: changes at the same time are each made on what the others wrote, by two clusters that share no lock.
func TestChangeSecrets(t *testing.T) {
	const job, each = "e2e-change", 2
	var all sync.WaitGroup
	for range 2 {
		c := cluster(t)
		all.Go(func() {
			for range each {
				err := c.ChangeSecrets(t.Context(), job, func(items map[string]string) {
					n, _ := strconv.Atoi(items["n"])
					items["n"] = strconv.Itoa(n + 1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	c := cluster(t)
	items, err := c.Secrets(t.Context(), job)
	if err != nil || items["n"] != strconv.Itoa(2*each) {
		t.Errorf("got %v, %v", items, err)
	}
	if none, err := c.Secrets(t.Context(), "e2e-nobody"); err != nil || none != nil {
		t.Errorf("got %v, %v", none, err)
	}
	// A key can be taken away, and what is handed out is a copy.
	items["n"] = "changed here"
	err = c.ChangeSecrets(t.Context(), job, func(items map[string]string) {
		delete(items, "n")
		items["other"] = "1"
	})
	if items, _ := c.Secrets(t.Context(), job); err != nil || len(items) != 1 || items["other"] != "1" {
		t.Errorf("got %v, %v", items, err)
	}
}
