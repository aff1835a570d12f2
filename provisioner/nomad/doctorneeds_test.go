package nomad

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// sound is a node as the documented configuration makes it.
func sound(name string, change ...func(*api.NodeListStub)) *api.NodeListStub {
	s := &api.NodeListStub{Name: name, Status: "ready", SchedulingEligibility: "eligible", Address: "192.0.2.7",
		Drivers: map[string]*api.DriverInfo{"docker": {Detected: true, Healthy: true, HealthDescription: "Healthy",
			Attributes: map[string]string{"driver.docker": "true", "driver.docker.pids.limit": "4096"}}},
		NodeResources:     &api.NodeResources{MinDynamicPort: 20000, MaxDynamicPort: 32000},
		ReservedResources: &api.NodeReservedResources{},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

func TestDoctorComparesNodesWithNeeds(t *testing.T) {
	attribute := func(key, value string) func(*api.NodeListStub) {
		return func(s *api.NodeListStub) { s.Drivers["docker"].Attributes[key] = value }
	}
	needs := Needs{Drivers: []string{"docker"}, PortMin: 10000, PortMax: 19999}
	for name, c := range map[string]struct {
		nodes []*api.NodeListStub
		wrong string // check that fails, and words of it
		words []string
	}{
		"all is well":           {nodes: []*api.NodeListStub{sound("a"), sound("b")}},
		"a node for other work": {nodes: []*api.NodeListStub{sound("a"), sound("b", func(s *api.NodeListStub) { s.Drivers = nil })}},
		"a node that takes no work is not looked at": {nodes: []*api.NodeListStub{sound("a"), sound("b", func(s *api.NodeListStub) {
			s.Drivers, s.SchedulingEligibility = nil, "ineligible"
		})}},
		"the engine is down": {
			nodes: []*api.NodeListStub{sound("a"), sound("b", func(s *api.NodeListStub) {
				s.Drivers["docker"] = &api.DriverInfo{Detected: true, HealthDescription: "Failed to connect to docker daemon"}
			})},
			wrong: "driver docker", words: []string{"healthy on a", "not healthy on b (Failed to connect to docker daemon)"},
		},
		"no node has the engine": {
			nodes: []*api.NodeListStub{sound("a", func(s *api.NodeListStub) { delete(s.Drivers, "docker") })},
			wrong: "driver docker", words: []string{"not found on a"},
		},
		"processes without a limit": {
			nodes: []*api.NodeListStub{sound("a", func(s *api.NodeListStub) { delete(s.Drivers["docker"].Attributes, "driver.docker.pids.limit") }), sound("b")},
			wrong: "process limit", words: []string{"on a", "pids_limit"},
		},
		"privileged": {
			nodes: []*api.NodeListStub{sound("a", attribute("driver.docker.privileged.enabled", "true"))},
			wrong: "privileged containers", words: []string{"on a", "allow_privileged = false"},
		},
		"host folders": {
			nodes: []*api.NodeListStub{sound("a", attribute("driver.docker.volumes.enabled", "true"))},
			wrong: "host folders", words: []string{"on a", "enabled = false"},
		},
		"ports overlap at one end": {
			nodes: []*api.NodeListStub{sound("a"), sound("b", func(s *api.NodeListStub) { s.NodeResources.MinDynamicPort = 19999 })},
			wrong: "ports", words: []string{"b gives jobs 19999 to 32000", "min_dynamic_port"},
		},
		"dynamic ports below": {nodes: []*api.NodeListStub{sound("a", func(s *api.NodeListStub) {
			s.NodeResources.MinDynamicPort, s.NodeResources.MaxDynamicPort = 5000, 9999
		})}},
		"the node keeps them for itself": {
			nodes: []*api.NodeListStub{sound("a", func(s *api.NodeListStub) { s.ReservedResources.Networks.ReservedHostPorts = "22,10000-19999" })},
			wrong: "ports", words: []string{"a keeps 10000", "reserved_ports"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := false
			for _, check := range checkNodes(c.nodes, needs, true) {
				if check.OK != (check.Name != c.wrong) {
					t.Errorf("%+v", check)
				}
				found = found || check.Name == c.wrong
				for _, word := range c.words {
					if check.Name == c.wrong && !strings.Contains(check.Detail+" "+check.Mend, word) {
						t.Errorf("%q is not in %+v", word, check)
					}
				}
				if !check.OK && check.Mend == "" {
					t.Errorf("no advice: %+v", check)
				}
			}
			if c.wrong != "" && !found {
				t.Errorf("%s is not looked at", c.wrong)
			}
		})
	}
	// Development does without what production needs of the engine, not without the engine.
	for _, check := range checkNodes([]*api.NodeListStub{sound("a", attribute("driver.docker.privileged.enabled", "true"))}, needs, false) {
		if !check.OK {
			t.Errorf("in development: %+v", check)
		}
	}
}

func TestPortsThatTheKernelTakes(t *testing.T) {
	for name, c := range map[string]struct {
		taken, reserved string
		min, max        int
		ok              bool
	}{
		"usual":                   {"32768\t60999\n", "\n", 10000, 19999, true},
		"overlap":                 {"15000\t60999\n", "\n", 10000, 19999, false},
		"overlap of one":          {"19999\t60999\n", "\n", 10000, 19999, false},
		"kept from the kernel":    {"1024\t65535\n", "8080,10000-19999\n", 10000, 19999, true},
		"a part is kept":          {"1024\t65535\n", "10000-19998\n", 10000, 19999, false},
		"instances above":         {"1024\t9999\n", "\n", 10000, 19999, true},
		"the kernel says nothing": {"", "", 10000, 19999, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"ip_local_port_range": c.taken, "ip_local_reserved_ports": c.reserved} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if check := checkKernelPorts(dir, Needs{PortMin: c.min, PortMax: c.max}); check.OK != c.ok || check.OK != (check.Mend == "") {
				t.Errorf("%+v", check)
			}
		})
	}
}
