package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"framagit.org/frama/frama/services/hosting"
	"framagit.org/frama/frama/services/store"
	"framagit.org/frama/frama/services/work"
)

// place chooses the node that the space's volumes will live on and reserves a port for each instance. All instances of
// a space go to one node: they share its fate, and data has gravity. Nomad would choose the first feasible node for a
// volume; frama takes the one with the most memory left.
func (p *Provisioner) place(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	if len(s.instances) == 0 {
		return nil, nil // all it has is shared
	}
	nodes, err := p.Cluster.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var chosen Node
	err = p.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.SetCluster(s.space.ID, p.Options.ClusterName); err != nil {
			return fmt.Errorf("space %s lives on cluster %s: %w", s.space.Handle, s.space.Cluster, err)
		}
		promised, err := tx.PromisedOn()
		if err != nil {
			return err
		}
		chosen, err = chooseNode(nodes, s.instances, promised)
		if err != nil {
			return err
		}
		return p.reservePorts(tx, chosen, s.instances)
	})
	switch {
	case errors.Is(err, store.ErrTaken):
		return nil, work.Later(10*time.Millisecond, "another run took the same port")
	case err != nil:
		return nil, err
	}
	return map[string]any{"cluster": p.Options.ClusterName, "node": chosen.Name}, nil
}

// chooseNode picks the node where most memory is left among those with room for every instance; the node that
// instances are already on wins.
func chooseNode(nodes []Node, instances []hosting.Instance, promised map[string]hosting.Resources) (Node, error) {
	var need hosting.Resources
	for _, i := range instances {
		if i.Node != "" {
			at := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == i.Node })
			if at < 0 {
				return Node{}, &TemporaryError{After: 30 * time.Second, Reason: fmt.Sprintf(
					"the node %s that holds the space's data is down or takes no work: bring it back", i.Node)}
			}
			return nodes[at], nil
		}
		need.CPU, need.Memory, need.Disk = need.CPU+i.Reserved.CPU, need.Memory+i.Reserved.Memory, need.Disk+i.Reserved.Disk
	}
	if len(nodes) == 0 {
		return Node{}, &TemporaryError{After: 10 * time.Second,
			Reason: "no node of the cluster is ready: start a Nomad client, or make one eligible (nomad node eligibility -enable)"}
	}
	var best Node
	var free, bestFree, most hosting.Resources
	for _, n := range nodes {
		taken := promised[n.ID]
		free = hosting.Resources{CPU: n.FreeCPU - taken.CPU, Memory: n.FreeMemory - taken.Memory, Disk: n.FreeDisk - taken.Disk}
		most = hosting.Resources{CPU: max(most.CPU, free.CPU), Memory: max(most.Memory, free.Memory), Disk: max(most.Disk, free.Disk)}
		fits := free.CPU >= need.CPU && free.Memory >= need.Memory && free.Disk >= need.Disk
		if fits && (best.ID == "" || free.Memory > bestFree.Memory) {
			best, bestFree = n, free
		}
	}
	if best.ID == "" {
		return Node{}, &TemporaryError{After: 10 * time.Second, Reason: fmt.Sprintf("no node has room for the space. %s "+
			"Add a node or free one", shortage(need, most))}
	}
	return best, nil
}

// shortage says which resource is missing.
func shortage(need, most hosting.Resources) string {
	text := ""
	for _, r := range []struct {
		name, unit string
		need, most int
	}{{"CPU", "MHz", need.CPU, most.CPU}, {"memory", "MiB", need.Memory, most.Memory}, {"disk", "MiB", need.Disk, most.Disk}} {
		if r.need > r.most {
			text += fmt.Sprintf("Missing: %s (needs %d %s, the most free on a node is %d).", r.name, r.need, r.unit, max(r.most, 0))
		}
	}
	if text == "" {
		return "No single node has CPU, memory and disk at once."
	}
	return text
}

// reservePorts gives each instance that has none the lowest free port of the node.
func (p *Provisioner) reservePorts(tx *store.Tx, n Node, instances []hosting.Instance) error {
	reserved, err := tx.PortsOn(n.ID)
	if err != nil {
		return err
	}
	used := map[int]bool{}
	for _, port := range append(reserved, n.UsedPorts...) {
		used[port] = true
	}
	next := p.Options.PortMin
	for _, i := range instances {
		if i.Port != 0 {
			continue
		}
		for used[next] {
			next++
		}
		if next > p.Options.PortMax {
			return &TemporaryError{After: time.Minute, Reason: fmt.Sprintf("node %s has no port left between %d and %d: "+
				"widen ports.min and ports.max", n.Name, p.Options.PortMin, p.Options.PortMax)}
		}
		used[next] = true
		if err := tx.PlaceInstance(i.ID, n.ID, next); err != nil {
			return err
		}
	}
	return nil
}
