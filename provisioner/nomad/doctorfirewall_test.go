package nomad

import (
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
