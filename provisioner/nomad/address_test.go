package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestPublishedAddress(t *testing.T) {
	shared := func(s api.AllocatedSharedResources) *api.AllocatedResources {
		return &api.AllocatedResources{Shared: s}
	}
	ports := []api.PortMapping{{Label: "metrics", Value: 1, HostIP: "192.0.2.9"}, {Label: "http", Value: 10000, To: 80, HostIP: "192.0.2.7"}}
	network := []*api.NetworkResource{{IP: "2001:db8::7", ReservedPorts: []api.Port{{Label: "http", Value: 10000}}}}
	for name, c := range map[string]struct {
		r    *api.AllocatedResources
		want string
	}{
		"as it is published":    {shared(api.AllocatedSharedResources{Ports: ports, Networks: network}), "192.0.2.7:10000"},
		"by the network":        {shared(api.AllocatedSharedResources{Networks: network}), "[2001:db8::7]:10000"},
		"without an address":    {shared(api.AllocatedSharedResources{Ports: []api.PortMapping{{Label: "http", Value: 10000}}}), ""},
		"without the port":      {shared(api.AllocatedSharedResources{Ports: ports[:1]}), ""},
		"without any resources": {nil, ""},
	} {
		if got := published(c.r, "http"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
