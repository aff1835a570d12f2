package nomad

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
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
	if check.Detail, check.OK = unguarded(stubs, allocs); !check.OK {
		return check
	}
	if bare := c.exposed(stubs); len(bare) > 0 {
		check.OK, check.Detail = false, "instances that reach the internet reach other machines of the cluster too, by "+strings.Join(bare, ", ")
		check.Mend = "name these addresses in firewall.deny, and apply it (docs/operate/firewall.md)"
	}
	return check
}

// exposed are the public addresses of nodes that the firewall does not close. Each node closes its own: one alone needs no more.
func (c *Cluster) exposed(stubs []*api.NodeListStub) []string {
	if len(stubs) < 2 {
		return nil
	}
	var bare []string
	for _, s := range stubs {
		a, err := netip.ParseAddr(s.Address)
		if err != nil || !a.Is4() || !a.IsGlobalUnicast() || a.IsPrivate() { // instances have no IPv6
			continue
		}
		if !slices.ContainsFunc(c.options.Closed, func(p netip.Prefix) bool { return p.Contains(a) }) {
			bare = append(bare, s.Address)
		}
	}
	return bare
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
