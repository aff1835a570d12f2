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
//
// What the cluster says of its nodes is read before the transaction, and others place and register meanwhile. So nothing
// that frama itself placed is taken from there: it is what the store says was promised on each node, read once nobody else
// can promise any more.
func (p *Provisioner) place(ctx context.Context, run work.Run) (any, error) {
	s, err := p.load(ctx, run)
	if err != nil {
		return nil, err
	}
	if len(s.instances) == 0 {
		return nil, nil // all it has is shared
	}
	drivers, err := p.driversOf(s.instances)
	if err != nil {
		return nil, err
	}
	nodes, err := p.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var chosen Node
	err = p.Store.Write(ctx, func(tx *store.Tx) error {
		if err := tx.TakeTurn(p.Options.ClusterName); err != nil {
			return err
		}
		if err := tx.SetCluster(s.space.ID, p.Options.ClusterName); err != nil {
			return fmt.Errorf("space %s lives on cluster %s: %w", s.space.Handle, s.space.Cluster, err)
		}
		instances, err := tx.Instances(s.space.ID) // another plan may have changed their sizes
		if err != nil {
			return err
		}
		reserved, err := tx.ReservedOn(p.Options.ClusterName)
		if err != nil {
			return err
		}
		chosen, err = p.chooseNode(nodes, instances, reserved, drivers)
		if err != nil {
			return err
		}
		return p.reservePorts(tx, chosen, instances)
	})
	switch {
	case errors.Is(err, store.ErrTaken):
		return nil, work.Later(10*time.Millisecond, "another run took the same port")
	case err != nil:
		return nil, err
	}
	return map[string]any{"cluster": p.Options.ClusterName, "node": chosen.Name}, nil
}

// nodes returns what the cluster has, and leaves of what is held what others hold. Jobs are looked up after the cluster
// was asked: each is in the store before it is registered, so none of frama's is taken for another's.
func (p *Provisioner) nodes(ctx context.Context) ([]seenNode, error) {
	nodes, err := p.Cluster.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var ours map[string]bool
	err = p.Store.Read(ctx, func(tx *store.Tx) error {
		ours, err = tx.ReservingJobs(p.Options.ClusterName)
		return err
	})
	seen := make([]seenNode, len(nodes))
	for i, n := range nodes {
		seen[i] = seenNode{Node: n}
		for _, h := range n.Held {
			if !ours[h.Job] {
				seen[i].foreign = seen[i].foreign.Plus(h.Resources)
			} else {
				seen[i].foreign.Disk += h.Resources.Disk // scratch space, which no instance was promised: its disk is its volume
			}
		}
	}
	return seen, err
}

// seenNode is a node with what is held there and was not promised by frama.
type seenNode struct {
	Node

	foreign hosting.Resources
}

// free is what can still be promised on a node where instances were promised so much; less than nothing when the node
// became smaller since.
func (p *Provisioner) free(n seenNode, reserved hosting.Resources) hosting.Resources {
	most := hosting.Capacity{Allocatable: n.Total, Foreign: n.foreign}.Promisable(p.Options.Overcommit)
	return hosting.Resources{CPU: most.CPU - reserved.CPU, Memory: most.Memory - reserved.Memory, Disk: most.Disk - reserved.Disk}
}

// chooseNode picks the node where most memory is left among those with healthy drivers and room for every instance; the
// node that instances are already on wins.
func (p *Provisioner) chooseNode(nodes []seenNode, instances []hosting.Instance, reserved map[string]hosting.Resources, drivers []string) (Node, error) {
	var need hosting.Resources
	for _, i := range instances {
		if i.Node != "" {
			at := slices.IndexFunc(nodes, func(n seenNode) bool { return n.ID == i.Node })
			if at < 0 {
				return Node{}, nodeAway(i.Node)
			}
			return nodes[at].Node, nil
		}
		need.CPU, need.Memory, need.Disk = need.CPU+i.Reserved.CPU, need.Memory+i.Reserved.Memory, need.Disk+i.Reserved.Disk
	}
	if len(nodes) == 0 {
		return Node{}, &TemporaryError{After: 10 * time.Second,
			Reason: "no node of the cluster is ready: start a Nomad client, or make one eligible (nomad node eligibility -enable)"}
	}
	nodes, err := running(nodes, drivers)
	if err != nil {
		return Node{}, err
	}
	var best Node
	var free, bestFree, most hosting.Resources
	for _, n := range nodes {
		free = p.free(n, reserved[n.ID])
		most = hosting.Resources{CPU: max(most.CPU, free.CPU), Memory: max(most.Memory, free.Memory), Disk: max(most.Disk, free.Disk)}
		fits := free.CPU >= need.CPU && free.Memory >= need.Memory && free.Disk >= need.Disk
		if fits && (best.ID == "" || free.Memory > bestFree.Memory) {
			best, bestFree = n.Node, free
		}
	}
	if best.ID == "" {
		return Node{}, &TemporaryError{After: 10 * time.Second, Reason: fmt.Sprintf("no node has room for the space. %s "+
			"Add a node or free one", shortage(need, most))}
	}
	return best, nil
}

func nodeAway(id string) error {
	return &TemporaryError{After: 30 * time.Second, Reason: fmt.Sprintf(
		"the node %s that holds the space's data is down or takes no work: bring it back", id)}
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
