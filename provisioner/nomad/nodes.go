package nomad

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/services/hosting"

	"github.com/hashicorp/nomad/api"
)

// Nodes lists the nodes that are ready, eligible and not drained, with what each has and what allocations hold. It takes
// two calls, however large the cluster. Allocations that frama's token does not see (other namespaces) are missing: who
// holds what is a hint for placement, Nomad's planner has the last word in EnsureJob.
//
// Ports are the exception: on a node with several addresses (IPv4 and IPv6 on one interface) Nomad gives two jobs the
// same static port, each on another address. Whoever places instances must avoid UsedPorts and what frama reserved.
func (c *Cluster) Nodes(ctx context.Context) ([]provisioner.Node, error) {
	var stubs []*api.NodeListStub
	err := c.call(ctx, "list nodes", func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.AllowStale, r.Params = true, map[string]string{"resources": "true"}
		stubs, _, err = c.client.Nodes().List(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	var allocs []*api.AllocationListStub
	err = c.call(ctx, "list allocations", func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.Namespace, r.AllowStale, r.Params = api.AllNamespacesNamespace, true, map[string]string{"resources": "true"}
		r.Filter = `ClientStatus == "running" or ClientStatus == "pending" or ClientStatus == "unknown"`
		allocs, _, err = c.client.Allocations().List(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return nodesOf(stubs, allocs, c.options.Namespace), nil
}

// nodesOf puts what allocations hold beside what nodes have. Jobs are known by their ID in frama's namespace only.
func nodesOf(stubs []*api.NodeListStub, allocs []*api.AllocationListStub, namespace string) []provisioner.Node {
	var nodes []provisioner.Node
	at := map[string]int{}
	for _, s := range stubs {
		if s.Status != api.NodeStatusReady || s.SchedulingEligibility != api.NodeSchedulingEligible || s.Drain {
			continue
		}
		n := provisioner.Node{ID: s.ID, Name: s.Name, Class: s.NodeClass, Drivers: healthyDrivers(s)}
		if r := s.NodeResources; r != nil {
			n.Total = hosting.Resources{CPU: int(r.Cpu.CpuShares), Memory: int(r.Memory.MemoryMB), Disk: int(r.Disk.DiskMB)}
		}
		if r := s.ReservedResources; r != nil {
			n.Total.CPU -= int(r.Cpu.CpuShares)
			n.Total.Memory -= int(r.Memory.MemoryMB)
			n.Total.Disk -= int(r.Disk.DiskMB)
			n.UsedPorts = hostPorts(r.Networks.ReservedHostPorts)
		}
		at[s.ID] = len(nodes)
		nodes = append(nodes, n)
	}
	for _, a := range allocs {
		i, known := at[a.NodeID]
		if !known || a.AllocatedResources == nil {
			continue
		}
		n := &nodes[i]
		held := provisioner.Held{Resources: hosting.Resources{Disk: int(a.AllocatedResources.Shared.DiskMB)}}
		if a.Namespace == namespace {
			held.Job = a.JobID
		}
		for _, t := range a.AllocatedResources.Tasks {
			held.Resources.CPU += int(t.Cpu.CpuShares)
			held.Resources.Memory += int(t.Memory.MemoryMB)
		}
		n.Held = append(n.Held, held)
		for _, p := range a.AllocatedResources.Shared.Ports {
			n.UsedPorts = append(n.UsedPorts, p.Value)
		}
	}
	for i := range nodes {
		slices.Sort(nodes[i].UsedPorts)
		nodes[i].UsedPorts = slices.Compact(nodes[i].UsedPorts)
	}
	return nodes
}

// healthyDrivers lists the task drivers that a node found and that work, sorted. It is never nil.
func healthyDrivers(s *api.NodeListStub) []string {
	drivers := []string{}
	for name, d := range s.Drivers {
		if d != nil && d.Detected && d.Healthy {
			drivers = append(drivers, name)
		}
	}
	slices.Sort(drivers)
	return drivers
}

// hostPorts reads what an agent reserves for the machine itself, as "22,80,8000-8010".
func hostPorts(spec string) []int {
	var ports []int
	for part := range strings.SplitSeq(spec, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.Atoi(low)
		if err != nil {
			continue
		}
		last := first
		if isRange {
			if last, err = strconv.Atoi(high); err != nil {
				continue
			}
		}
		for p := first; p <= min(last, 65535); p++ {
			ports = append(ports, p)
		}
	}
	return ports
}
