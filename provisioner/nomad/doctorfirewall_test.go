package nomad

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestNodesWithoutFirewallAreNamed(t *testing.T) {
	nodes := []*api.NodeListStub{{ID: "1", Name: "one", Status: "ready"}, {ID: "2", Name: "two", Status: "ready"}, {ID: "3", Name: "three", Status: "down"}}
	on := func(node, status string) *api.AllocationListStub {
		return &api.AllocationListStub{NodeID: node, ClientStatus: status}
	}
	if detail, ok := unguarded(nodes, []*api.AllocationListStub{on("1", "running"), on("1", "complete"), on("2", "failed")}); ok || !strings.Contains(detail, "on two:") {
		t.Error(detail, ok)
	}
	if detail, ok := unguarded(nodes, []*api.AllocationListStub{on("1", "running"), on("2", "running")}); !ok || !strings.Contains(detail, "(2)") {
		t.Error(detail, ok)
	}
}

func TestMachinesThatInstancesReachAreNamed(t *testing.T) {
	c := &Cluster{options: Options{Closed: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/29")}}}
	nodes := []*api.NodeListStub{{Address: "192.0.2.9"}, {Address: "10.0.0.1"}, {Address: "198.51.100.1"}, {Address: "2001:db8::1"}, {Address: "127.0.0.1"}}
	if bare := strings.Join(c.exposed(nodes), " "); bare != "198.51.100.1" {
		t.Error(bare)
	}
	if bare := c.exposed(nodes[2:3]); bare != nil {
		t.Error("a machine alone:", bare)
	}
}
