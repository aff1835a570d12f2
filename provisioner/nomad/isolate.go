package nomad

import (
	"cmp"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"
	"framagit.org/frama/frama/provisioner/isolation"

	"github.com/hashicorp/nomad/api"
)

// defaultPids bounds processes and threads of a container: more than any application of the catalogue was seen to use, and few
// enough for a node to bear.
const defaultPids, mostPids = 1024, 4096

// isolate gives containers their network and takes rights from them. What a job file says for itself stays, for the policy to
// refuse.
func (c *Cluster) isolate(group *api.TaskGroup, j provisioner.Job) {
	shared := false
	for _, n := range group.Networks {
		if n.Mode == "bridge" { // tasks of the group share one network, made by CNI
			n.Mode = "cni/" + c.network(j)
		}
		shared = shared || strings.HasPrefix(n.Mode, "cni/")
	}
	for _, task := range group.Tasks {
		if task.Driver != "docker" {
			continue
		}
		if task.Config == nil {
			task.Config = map[string]any{}
		}
		if _, set := task.Config["network_mode"]; !set && !shared {
			task.Config["network_mode"] = c.network(j)
		}
		task.Config["cap_drop"] = []any{"all"}
		setIfAbsent(task.Config, "cap_add", capabilities(j))
		setIfAbsent(task.Config, "security_opt", []any{noNewPrivileges})
		setIfAbsent(task.Config, "pids_limit", defaultPids)
		for _, s := range task.Services {
			s.AddressMode = "host"
		}
	}
	// In a network of its own a container has an address that the ingress cannot reach: services are where the port is
	// published.
	for _, s := range group.Services {
		s.AddressMode = "host"
	}
}

const noNewPrivileges = "no-new-privileges"

// network is the Docker network of the application's class.
func (c *Cluster) network(j provisioner.Job) string { return networkOf(c.options.Networks, j) }

func networkOf(prefix string, j provisioner.Job) string {
	return isolation.Network(cmp.Or(prefix, isolation.DefaultPrefix), isolation.Class(cmp.Or(j.Egress, string(isolation.None))))
}

func capabilities(j provisioner.Job) []any {
	list := []any{}
	for _, name := range j.Capabilities {
		list = append(list, name)
	}
	return list
}

// setIfAbsent leaves out empty lists, which Nomad would take for a difference each time.
func setIfAbsent(config map[string]any, key string, value any) {
	if list, ok := value.([]any); ok && len(list) == 0 {
		return
	}
	if _, set := config[key]; !set {
		config[key] = value
	}
}

// isolated wants a container to be as isolate makes it, and returns the config without what isolate sets, for the rules of job
// files.
func (i *inspection) isolated(config map[string]any) map[string]any {
	rest := map[string]any{}
	for key, value := range config {
		switch key {
		case "network_mode":
			want := networkOf(i.policy.Networks, i.want)
			i.refuseIf(value != want && value != "none", key, "network_mode %v takes the container out of its own network (%s)", value, want)
		case "cap_drop":
			i.refuseIf(!equalList(value, []any{"all"}), key, "cap_drop must be all, not %v", value)
		case "cap_add":
			i.refuseIf(!equalList(value, capabilities(i.want)), key, "cap_add gives rights over the node: the manifest names %v", i.want.Capabilities)
		case "security_opt":
			i.refuseIf(!equalList(value, []any{noNewPrivileges}), key, "security_opt can switch confinement off: frama sets %s", noNewPrivileges)
		default:
			rest[key] = value
		}
	}
	i.refuseIf(config["cap_drop"] == nil, "cap_drop", "the container keeps capabilities: cap_drop is missing")
	i.refuseIf(config["security_opt"] == nil, "security_opt", "the container may gain privileges: security_opt is missing")
	i.refuseIf(config["network_mode"] == nil && !i.cni, "network_mode", "the container would be in Docker's own network: network_mode is missing")
	i.refuseIf(config["network_mode"] != nil && config["network_mode"] != "none" && i.cni, "network_mode", "the tasks of the group share a network: no task has one of its own")
	pids, ok := number(config["pids_limit"])
	i.refuseIf(!ok || pids < 1 || pids > mostPids, "pids_limit", "pids_limit must be from 1 to %d", mostPids)
	for _, name := range i.want.Capabilities {
		i.refuseIf(!slices.Contains(catalogue.CapabilityNames(), name), "cap_add", "the capability %s reaches beyond the container", name)
	}
	return rest
}

func equalList(value any, want []any) bool {
	list, ok := value.([]any)
	return ok && slices.Equal(list, want)
}

// number reads a whole number as Nomad's parser and the mutators write it.
func number(value any) (int, bool) {
	switch n := value.(type) {
	case int:
		return n, true
	case float64:
		return int(n), n == float64(int(n))
	}
	return 0, false
}
