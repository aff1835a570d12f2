package provisioner_test

import (
	"strings"
	"testing"

	"framagit.org/frama/frama/provisioner"
)

// A node whose engine is down takes no new space, however much room it has, and its room is not the cluster's.
func TestPlacesWhereTheDriverIsHealthy(t *testing.T) {
	w := newWorld(t, "pads")
	with := func(n provisioner.Node, drivers ...string) provisioner.Node {
		n.Drivers = append([]string{}, drivers...)
		return n
	}
	w.cluster.nodes = []provisioner.Node{with(node("large", 8), "exec", "raw_exec"), with(node("none", 8))}
	w.approved("les-lilas", "pads")
	v := w.work("les-lilas")
	if on := v.Instances[0].Node; on != "" {
		t.Fatalf("placed on %s, where no container can run", on)
	}
	for _, part := range []string{"no node runs docker", "large (exec, raw_exec)", "none ()"} {
		if !strings.Contains(step(v).Message, part) {
			t.Errorf("the message lacks %q: %s", part, step(v).Message)
		}
	}
	if c, err := w.p.Capacity(t.Context()); err != nil || c.Nodes != 0 || c.Allocatable.Memory != 0 {
		t.Errorf("capacity of nodes that run nothing: %+v, %v", c, err)
	}

	w.cluster.nodes = append(w.cluster.nodes, with(node("small", 2), "docker", "exec"))
	if on := w.work("les-lilas").Instances[0].Node; on != "small" {
		t.Errorf("placed on %q, not where the engine runs", on)
	}
	if c, err := w.p.Capacity(t.Context()); err != nil || c.Nodes != 1 || c.Allocatable.Memory != 2*pad.Memory {
		t.Errorf("capacity: %+v, %v", c, err)
	}

	// What is placed stays where its data is: an engine that is restarted moves nothing.
	w.cluster.nodes[2].Drivers = []string{"exec"}
	if v := w.work("les-lilas"); v.Instances[0].Node != "small" {
		t.Errorf("moved to %s", v.Instances[0].Node)
	}
}
