package nomad

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// firewallJob is the system job of deploy/nomad that keeps instances apart.
const firewallJob = "frama-firewall"

// checkFirewall sees whether the firewall of instances runs on every node that is ready. What it made there is not looked at.
func (c *Cluster) checkFirewall(ctx context.Context) Check {
	check := Check{Name: "firewall", Mend: "see docs/operate/firewall.md"}
	stubs, err := c.nodeStubs(ctx)
	if err != nil {
		check.Detail = detail(err)
		return check
	}
	var allocs []*api.AllocationListStub
	err = c.call(ctx, "list allocations of "+firewallJob, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.Namespace = c.options.NodeNamespace
		allocs, _, err = c.client.Jobs().Allocations(firewallJob, false, r)
		return err
	})
	if err != nil {
		check.Detail = detail(err)
		return check
	}
	check.Detail, check.OK = unguarded(stubs, allocs)
	return check
}

// unguarded names the nodes on which no allocation runs.
func unguarded(stubs []*api.NodeListStub, allocs []*api.AllocationListStub) (detail string, ok bool) {
	running := map[string]bool{}
	for _, a := range allocs {
		running[a.NodeID] = running[a.NodeID] || a.ClientStatus == api.AllocClientStatusRunning
	}
	var open []string
	ready := 0
	for _, s := range stubs {
		if s.Status != api.NodeStatusReady {
			continue
		}
		ready++
		if !running[s.ID] {
			open = append(open, s.Name)
		}
	}
	if len(open) > 0 {
		return fmt.Sprintf("the job %s does not run on %s: instances there reach one another, and what they like", firewallJob, strings.Join(open, ", ")), false
	}
	return fmt.Sprintf("runs on every node that is ready (%d)", ready), true
}
