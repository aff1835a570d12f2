package nomad

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
)

// Needs is what the applications on offer ask of the cluster.
type Needs struct {
	Drivers     []string // of their tasks, sorted
	MemoryMax   []string // names of applications that may use more memory than they reserve
	KillTimeout time.Duration
	Slowest     string // the application that asks for KillTimeout
	PortMin     int    // static ports of instances, inclusive
	PortMax     int
}

// DoctorNeeds compares what applications need with what the cluster and each of its nodes offer. It only reads.
func (c *Cluster) DoctorNeeds(ctx context.Context, n Needs) []Check {
	if err := c.Ping(ctx); err != nil {
		return nil // Doctor says so
	}
	var stubs []*api.NodeListStub
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.Params = map[string]string{"resources": "true"}
		stubs, _, err = c.client.Nodes().List(r)
		return err
	})
	if err != nil {
		return []Check{{Name: "nodes", Detail: detail(err), Mend: "apply " + policyFile + ": it has node { policy = \"read\" }"}}
	}
	checks := checkNodes(stubs, n, !c.options.Policy.Development)
	if len(n.MemoryMax) > 0 && !c.options.Oversubscribed { // Doctor looks where it is
		checks = append(checks, c.checkMemoryMax(ctx, n.MemoryMax))
	}
	if n.KillTimeout > 0 {
		checks = append(checks, c.checkKillTimeout(ctx, n))
	}
	return checks
}

// checkNodes looks at each node that can take work; where there is none, checkVersion or placement says so.
func checkNodes(stubs []*api.NodeListStub, n Needs, production bool) []Check {
	var ready []*api.NodeListStub
	for _, s := range stubs {
		if s.Status == api.NodeStatusReady && s.SchedulingEligibility == api.NodeSchedulingEligible && !s.Drain {
			ready = append(ready, s)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	var checks []Check
	for _, driver := range n.Drivers {
		checks = append(checks, checkDriver(ready, driver))
	}
	if production && slices.Contains(n.Drivers, "docker") {
		checks = append(checks, checkEngine(ready)...)
	}
	checks = append(checks, checkPorts(ready, n))
	if isHere(ready) {
		checks = append(checks, checkKernelPorts("/proc/sys/net/ipv4", n))
	}
	return checks
}

// checkDriver: a node without the driver may be there for other work; one whose driver is broken never is.
func checkDriver(nodes []*api.NodeListStub, name string) Check {
	check := Check{Name: "driver " + name}
	var healthy, without, broken []string
	for _, s := range nodes {
		switch d := s.Drivers[name]; {
		case d == nil || !d.Detected:
			without = append(without, s.Name)
		case !d.Healthy:
			broken = append(broken, fmt.Sprintf("%s (%s)", s.Name, d.HealthDescription))
		default:
			healthy = append(healthy, s.Name)
		}
	}
	var parts []string
	for _, part := range []struct {
		text  string
		names []string
	}{{"healthy on ", healthy}, {"not healthy on ", broken}, {"not found on ", without}} {
		if len(part.names) > 0 {
			parts = append(parts, part.text+strings.Join(part.names, ", "))
		}
	}
	check.Detail = strings.Join(parts, "; ")
	if check.OK = len(broken) == 0 && len(healthy) > 0; !check.OK {
		check.Mend = "start the engine there, and let Nomad reach its socket; no space is placed on a node until it is healthy"
	}
	return check
}

// checkEngine looks for what Nomad tells of the docker plugin's configuration. What is off is not among the attributes.
func checkEngine(nodes []*api.NodeListStub) []Check {
	var unlimited, privileged, volumes []string
	for _, s := range nodes {
		d := s.Drivers["docker"]
		if d == nil || !d.Healthy {
			continue
		}
		if d.Attributes["driver.docker.pids.limit"] == "" {
			unlimited = append(unlimited, s.Name)
		}
		if d.Attributes["driver.docker.privileged.enabled"] == "true" {
			privileged = append(privileged, s.Name)
		}
		if d.Attributes["driver.docker.volumes.enabled"] == "true" {
			volumes = append(volumes, s.Name)
		}
	}
	const where = `in the client's configuration (deploy/nomad/client.hcl has it whole): plugin "docker" { config { `
	check := func(name, fine, wrong, config string, on []string) Check {
		if len(on) == 0 {
			return Check{Name: name, OK: true, Detail: fine}
		}
		return Check{Name: name, Detail: wrong + " on " + strings.Join(on, ", "), Mend: where + config + " } }"}
	}
	return []Check{
		check("process limit", "on every node", "a container may fill the node with processes", "pids_limit = 4096", unlimited),
		check("privileged containers", "refused on every node", "allowed", "allow_privileged = false", privileged),
		check("host folders", "closed to containers on every node", "containers may mount any folder of the node", "volumes { enabled = false }", volumes),
	}
}

// checkPorts: Nomad hands out its dynamic ports without asking frama, so that an instance could find its own taken.
func checkPorts(nodes []*api.NodeListStub, n Needs) Check {
	check := Check{Name: "ports"}
	var wrong []string
	for _, s := range nodes {
		r := s.NodeResources
		if r != nil && r.MinDynamicPort > 0 && r.MinDynamicPort <= n.PortMax && r.MaxDynamicPort >= n.PortMin {
			wrong = append(wrong, fmt.Sprintf("%s gives jobs %d to %d", s.Name, r.MinDynamicPort, r.MaxDynamicPort))
		}
		if s.ReservedResources == nil {
			continue
		}
		taken := 0
		for _, p := range hostPorts(s.ReservedResources.Networks.ReservedHostPorts) {
			if p >= n.PortMin && p <= n.PortMax {
				taken++
			}
		}
		if taken > (n.PortMax-n.PortMin+1)/2 {
			wrong = append(wrong, fmt.Sprintf("%s keeps %d of them for itself (reserved_ports)", s.Name, taken))
		}
	}
	if len(wrong) > 0 {
		check.Detail = fmt.Sprintf("instances get %d to %d, and %s", n.PortMin, n.PortMax, strings.Join(wrong, ", "))
		check.Mend = "move ports.min and ports.max, or min_dynamic_port and max_dynamic_port in the client block, so that the two do not overlap"
		return check
	}
	check.OK, check.Detail = true, fmt.Sprintf("%d to %d are the instances' own on every node", n.PortMin, n.PortMax)
	return check
}

// checkMemoryMax: without oversubscription Nomad drops memory_max, and a task is killed at what it reserves.
func (c *Cluster) checkMemoryMax(ctx context.Context, apps []string) Check {
	check := c.checkOversubscription(ctx)
	if check.OK || !strings.HasPrefix(check.Detail, "is off") {
		return check
	}
	check.Detail = "is off: tasks are killed at the memory they reserve, and " + strings.Join(apps, ", ") + " may need more"
	check.Mend = "nomad operator scheduler set-config -memory-oversubscription=true"
	return check
}

// checkKillTimeout reads the configuration of the agent that frama talks to. The API tells nothing of others', and needs
// agent:read, which frama's own policy does not have: then it says what to look for.
func (c *Cluster) checkKillTimeout(ctx context.Context, n Needs) Check {
	check := Check{Name: "max_kill_timeout", OK: true}
	var self struct {
		Config struct {
			NodeName string
			Client   struct {
				Enabled        bool
				MaxKillTimeout string
			}
		}
	}
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		_, err = c.client.Raw().Query("/v1/agent/self", &self, r)
		return err
	})
	client := self.Config.Client
	most, unknown := time.ParseDuration(client.MaxKillTimeout)
	switch {
	case err != nil && status(err) != http.StatusForbidden:
		check.OK, check.Detail, check.Mend = false, detail(err), "see the server's log"
	case err != nil, !client.Enabled, unknown != nil:
		check.Detail = fmt.Sprintf("cannot be read here; %s asks for %s to stop, so give every client at least that (30s unless it is set)", n.Slowest, n.KillTimeout)
	case most < n.KillTimeout:
		check.OK = false
		check.Detail = fmt.Sprintf("is %s on %s, and %s asks for %s to stop: it would be killed while it still writes", most, self.Config.NodeName, n.Slowest, n.KillTimeout)
		check.Mend = fmt.Sprintf("client { max_kill_timeout = %q } on every node", n.KillTimeout)
	default:
		check.Detail = fmt.Sprintf("is %s on %s; %s asks for %s", most, self.Config.NodeName, n.Slowest, n.KillTimeout)
	}
	return check
}
