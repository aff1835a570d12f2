package nomad

import (
	"errors"
	"fmt"
	"testing"

	"framagit.org/frama/frama/provisioner"
)

// What frama volume says on a node is for people to mend, unless waiting helps or the volume only keeps its size.
func TestWhatANodeSays(t *testing.T) {
	v := provisioner.Volume{Name: "lilas-pads-data", Node: "n1", CapacityMiB: 10}
	var temporary *provisioner.TemporaryError
	var kept *provisioner.KeptError
	var refused *provisioner.RefusedError
	for words, want := range map[string]any{
		"": &temporary,
		"volume lilas-pads-data: it is mounted at /x: a task still uses it":                                  &temporary,
		"volume lilas-pads-data: it holds 20 MiB, more than the 10 MiB it is to have: make room in it first": &kept,
		"volume lilas-pads-data is not in /srv/volumes: is its disk mounted?":                                &refused,
	} {
		if err := worded(fmt.Errorf("on a node: %w", &nodeError{words}), v, "resize"); !errors.As(err, want) {
			t.Errorf("%q: %T %v", words, err, err)
		}
	}
	if err := worded(nil, v, "resize"); err != nil {
		t.Error(err)
	}
}
