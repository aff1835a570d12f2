package nomad

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Policy is what a job may do. It is checked on the parsed job, after all interpolation, and trusts neither the
// catalogue nor the mutators: what is not known to be harmless is refused.
type Policy struct {
	Drivers       []string // allowed task drivers
	AllowIdentity bool     // a task may see its own Nomad token (tests of isolation need it)
	Development   bool     // raw_exec and mock_driver may be among Drivers
	Networks      string   // prefix of the nodes' networks, see Options
}

// ProductionPolicy allows containers.
func ProductionPolicy() Policy { return Policy{Drivers: catalogue.Drivers()} }

// DevelopmentPolicy also allows plain processes.
func DevelopmentPolicy() Policy {
	return Policy{
		Drivers:       catalogue.DevelopmentDrivers(),
		AllowIdentity: true,
		Development:   true,
	}
}

// Violation is one thing a job may not do.
type Violation struct {
	Where  string // group and task, empty for the job as a whole
	Key    string // of the job file, where a reader may look
	Reason string
}

func (v Violation) String() string {
	if v.Where == "" {
		return v.Reason
	}
	return v.Where + ": " + v.Reason
}

// PolicyError says everything that is wrong with a job. It is permanent: the catalogue has to change.
type PolicyError struct {
	Job, Path  string
	Violations []Violation
}

func (e *PolicyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s is refused by the policy; correct %s:", e.Job, e.Path)
	for _, v := range e.Violations {
		b.WriteString("\n  - " + v.String())
	}
	return b.String()
}

// inspection collects what a job does wrong.
type inspection struct {
	policy Policy
	want   provisioner.Job
	where  string
	cni    bool // the tasks of the group share a network
	found  []Violation
}

func (i *inspection) refuse(key, format string, args ...any) {
	i.found = append(i.found, Violation{Where: i.where, Key: key, Reason: fmt.Sprintf(format, args...)})
}

func (i *inspection) refuseIf(bad bool, key, format string, args ...any) {
	if bad {
		i.refuse(key, format, args...)
	}
}

// Violations lists all that the job does against the policy, for the instance it was made for.
func (p Policy) Violations(job *api.Job, want provisioner.Job) []Violation {
	i := &inspection{policy: p, want: want}
	i.job(job)
	for _, group := range job.TaskGroups {
		i.where = "group " + deref(group.Name)
		i.group(group)
		for _, task := range group.Tasks {
			i.where = "group " + deref(group.Name) + ", task " + task.Name
			i.task(task)
		}
	}
	return i.found
}

func (i *inspection) job(job *api.Job) {
	i.refuseIf(deref(job.ID) != i.want.ID, "id", "the job's ID must be %s", i.want.ID)
	i.refuseIf(job.Type != nil && *job.Type != "service", "type", "an instance is a job of type service, not %s", deref(job.Type))
	i.refuseIf(job.Priority != nil && *job.Priority > 50, "priority", "a priority above 50 displaces the jobs of others")
	i.refuseIf(job.Periodic != nil, "periodic", "periodic jobs are not instances: frama keeps the calendar")
	i.refuseIf(job.ParameterizedJob != nil, "parameterized", "parameterized jobs are not instances")
	i.refuseIf(job.Multiregion != nil, "multiregion", "an instance lives on one cluster")
	i.refuseIf(job.ConsulNamespace != nil && *job.ConsulNamespace != "", "consul_namespace", "Consul is not available to instances")
	i.refuseIf(job.VaultNamespace != nil && *job.VaultNamespace != "", "vault_namespace", "Vault is not available to instances")
	i.refuseIf(len(job.Payload) > 0, "payload", "an instance takes no payload")
	i.refuseIf(job.Meta[metaInstance] != i.want.InstanceID || job.Meta[metaSpace] != i.want.SpaceID || len(job.Meta) != 2,
		"meta", "meta belongs to frama")
	i.refuseIf(len(job.TaskGroups) != 1, "group", "an instance has one group, whose tasks share its volume; there are %d", len(job.TaskGroups))
	i.constraints(job.Constraints, 1)
}

// constraints: one on the node is frama's own; the catalogue may ask for kinds of nodes, never for a certain one.
func (i *inspection) constraints(constraints []*api.Constraint, own int) {
	for _, c := range constraints {
		if !hasAny(c.LTarget+c.RTarget, "node.unique", "unique.hostname", "unique.network") {
			continue
		}
		if own > 0 && c.LTarget == "${node.unique.id}" && c.Operand == "=" && c.RTarget == i.want.Node {
			own--
			continue
		}
		i.refuse("constraint", "a constraint on %s: where an instance runs is frama's to say", c.LTarget)
	}
}

func (i *inspection) group(group *api.TaskGroup) {
	i.refuseIf(group.Count == nil || *group.Count != 1, "count", "an instance is one allocation: two would write one volume")
	i.refuseIf(group.Scaling != nil, "scaling", "scaling blocks change the count")
	i.refuseIf(group.Consul != nil, "consul", "Consul is not available to instances")
	i.refuseIf(group.Update != nil && deref(group.Update.Canary) > 0, "canary", "a canary would run beside the old allocation on one volume")
	i.constraints(group.Constraints, 0)
	for _, s := range group.Services {
		i.service(s)
	}
	i.networks(group.Networks)
	for _, name := range slices.Sorted(maps.Keys(group.Volumes)) {
		i.volume(name, group.Volumes[name])
	}
	i.total(group)
}

// networks: only the instance's own port is static; all else would take ports from others.
func (i *inspection) networks(networks []*api.NetworkResource) {
	hasPort := i.want.Port == 0
	for _, n := range networks {
		switch n.Mode {
		case "", "none":
		case "cni/" + networkOf(i.policy.Networks, i.want):
			i.cni = true
		case "host":
			i.refuseIf(!i.policy.Development, "mode", "network mode host shares the node's network")
		default:
			i.refuse("mode", "network mode %s is not allowed", n.Mode)
		}
		i.refuseIf(n.CNI != nil, "cni", "CNI arguments are not allowed")
		for _, p := range n.ReservedPorts {
			switch {
			case p.Label == "http" && p.Value == i.want.Port && p.Value != 0:
				hasPort = true
			default:
				i.refuse("static", "port %s is static (%d): only http may be, at the port frama reserved (%d)", p.Label, p.Value, i.want.Port)
			}
			i.refuseIf(p.HostNetwork != "", "host_network", "port %s is on the host network %s: a port stays on the node's own address", p.Label, p.HostNetwork)
			i.refuseIf(p.IgnoreCollision, "ignore_collision", "port %s ignores collisions", p.Label)
		}
		for _, p := range n.DynamicPorts {
			i.refuseIf(p.Value != 0, "static", "port %s has a number: leave it to Nomad", p.Label)
			i.refuseIf(p.HostNetwork != "", "host_network", "port %s is on the host network %s: a port stays on the node's own address", p.Label, p.HostNetwork)
		}
	}
	i.refuseIf(!hasPort, "network", `there is no port "http" for the ingress`)
}

// volume: the instance's own. Every other is somebody else's data.
func (i *inspection) volume(name string, v *api.VolumeRequest) {
	i.refuseIf(v.PerAlloc || v.Sticky, "volume", "volume %s is per_alloc or sticky: its name must be what it says", name)
	switch {
	case v.Source == i.want.Volume && v.Source != "":
		i.refuseIf(v.Type != api.CSIVolumeTypeCSI, "type", "volume %s has the type %s: leave it out, frama sets it", name, v.Type)
		i.refuseIf(v.AccessMode != string(accessMode) || v.AttachmentMode != string(api.CSIVolumeAttachmentModeFilesystem), "access_mode",
			"volume %s says how it is mounted: leave access_mode and attachment_mode out, frama sets them", name)
		i.refuseIf(v.MountOptions != nil, "mount_options", "volume %s has mount options: leave them out", name)
	default:
		i.refuse("source", "volume %s is %q of type %q, which is not the instance's own (%s)", name, v.Source, v.Type, i.want.Volume)
	}
}

// total: the tasks together stay within what the instance reserved.
func (i *inspection) total(group *api.TaskGroup) {
	var cpu, memory, most int
	for _, t := range group.Tasks {
		r := t.Resources
		if r == nil {
			r = &api.Resources{}
		}
		cpu += or(r.CPU, 100)
		m := or(r.MemoryMB, 300)
		memory += m
		most += max(m, or(r.MemoryMaxMB, 0))
	}
	limit := max(i.want.Memory, i.want.MemoryMax)
	i.refuseIf(i.want.CPU > 0 && cpu > i.want.CPU, "cpu", "the tasks ask for %d MHz, the instance reserved %d", cpu, i.want.CPU)
	i.refuseIf(i.want.Memory > 0 && memory > i.want.Memory, "memory", "the tasks ask for %d MiB, the instance reserved %d", memory, i.want.Memory)
	i.refuseIf(limit > 0 && most > limit, "memory_max", "the tasks may grow to %d MiB, the instance to %d", most, limit)
}

func (i *inspection) service(s *api.Service) {
	i.refuseIf(s.Provider != "nomad", "provider", `service %s: provider = "nomad", there is no Consul`, s.Name)
	i.refuseIf(s.Name != i.want.ID && !strings.HasPrefix(s.Name, i.want.ID+"-"), "service", "service %s takes a name that is not the job's", s.Name)
	i.refuseIf(s.Connect != nil, "connect", "service %s: the mesh is not available to instances", s.Name)
	i.refuseIf(s.Address != "", "address", "service %s registers an address of its own (%s)", s.Name, s.Address)
	i.refuseIf(s.Identity != nil, "identity", "service %s asks for an identity", s.Name)
	for _, c := range s.Checks {
		i.refuseIf(c.Type != "http" && c.Type != "tcp", "check", "service %s: a check is http or tcp, not %s", s.Name, c.Type)
		i.refuseIf(c.Expose, "expose", "service %s: the mesh is not available to instances", s.Name)
	}
}

// lineOf finds the first line that sets a key, to point a reader at it: the parsed job has no positions any more.
func lineOf(source, key string) int {
	if key == "" {
		return 0
	}
	pattern, err := regexp.Compile(`^\s*"?` + regexp.QuoteMeta(key) + `"?(\s|=|\{|$)`)
	if err != nil {
		return 0
	}
	for n, line := range strings.Split(source, "\n") {
		if pattern.MatchString(line) {
			return n + 1
		}
	}
	return 0
}

func deref[T any](p *T) T {
	var zero T
	return or(p, zero)
}

func or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}
