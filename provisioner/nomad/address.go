package nomad

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Address returns where the port http of a job is published, as host:port: of the address that Nomad gave its allocation. The
// one that a node advertises for Nomad's own HTTP is another on many machines.
func (c *Cluster) Address(ctx context.Context, job string) (string, error) {
	allocs, err := c.allocations(ctx, job)
	if err != nil {
		return "", err
	}
	var newest *api.AllocationListStub
	for _, a := range allocs {
		if wanted(a) && !terminal(a) && (newest == nil || a.CreateIndex > newest.CreateIndex) {
			newest = a
		}
	}
	if newest == nil {
		return "", &provisioner.TemporaryError{Reason: "no allocation of job " + job + " runs", After: 5 * time.Second}
	}
	var alloc *api.Allocation
	err = c.call(ctx, "read the allocation of job "+job, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		alloc, _, err = c.client.Allocations().Info(newest.ID, r)
		return err
	})
	if err != nil {
		return "", err
	}
	if address := published(alloc.AllocatedResources, "http"); address != "" {
		return address, nil
	}
	return "", fmt.Errorf("allocation %.8s of job %s publishes no port http: see its networks (nomad alloc status)", alloc.ID, job)
}

// published is where a port of the group is reached, or "".
func published(r *api.AllocatedResources, label string) string {
	if r == nil {
		return ""
	}
	for _, p := range r.Shared.Ports {
		if p.Label == label && p.HostIP != "" {
			return net.JoinHostPort(p.HostIP, strconv.Itoa(p.Value))
		}
	}
	for _, n := range r.Shared.Networks {
		for _, ports := range [][]api.Port{n.ReservedPorts, n.DynamicPorts} {
			for _, p := range ports {
				if p.Label == label && n.IP != "" {
					return net.JoinHostPort(n.IP, strconv.Itoa(p.Value))
				}
			}
		}
	}
	return ""
}
