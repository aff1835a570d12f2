package nomad

import (
	"maps"
	"slices"
	"strings"

	"framagit.org/frama/frama/catalogue"

	"github.com/hashicorp/nomad/api"
)

func (i *inspection) task(t *api.Task) {
	i.driver(t)
	i.refuseIf(t.Vault != nil, "vault", "Vault is not available to instances")
	i.refuseIf(t.Consul != nil, "consul", "Consul is not available to instances")
	i.refuseIf(t.CSIPluginConfig != nil, "csi_plugin", "an instance is no storage plugin")
	i.refuseIf(t.DispatchPayload != nil, "dispatch_payload", "an instance takes no payload")
	i.refuseIf(t.Kind != "", "kind", "kind %s is Nomad's own", t.Kind)
	i.refuseIf(len(t.Secrets) > 0, "secret", "secret blocks run plugins on the node: use a template and the job's own Nomad Variable")
	i.refuseIf(len(t.ScalingPolicies) > 0, "scaling", "scaling blocks change resources")
	i.refuseIf(t.Schedule != nil, "schedule", "a task that runs at times is not always there")
	i.refuseIf(len(t.Artifacts) > 0, "artifact", "artifacts are downloads that nobody pinned: put the files into the image")
	if t.Lifecycle != nil {
		i.refuseIf(t.Lifecycle.Hook != api.TaskLifecycleHookPrestart && t.Lifecycle.Hook != api.TaskLifecycleHookPoststart, "hook",
			"a %s task runs on after the instance was stopped", t.Lifecycle.Hook)
	}
	for _, id := range slices.Concat(t.Identities, []*api.WorkloadIdentity{t.Identity}) {
		i.refuseIf(id != nil && !i.policy.AllowIdentity, "identity", "a task does not see a token of Nomad")
	}
	if r := t.Resources; r != nil {
		i.refuseIf(deref(r.Cores) > 0, "cores", "whole cores cannot be shared: ask for cpu")
		i.refuseIf(len(r.Devices) > 0, "device", "devices are not available to instances")
		i.refuseIf(r.NUMA != nil, "numa", "numa placement is not available to instances")
		i.refuseIf(len(r.Networks) > 0, "network", "networks belong to the group")
	}
	for _, s := range t.Services {
		i.service(s)
	}
	i.constraints(t.Constraints, 0)
	for _, m := range t.VolumeMounts {
		mode := deref(m.PropagationMode)
		i.refuseIf(mode != "" && mode != api.VolumeMountPropagationPrivate, "propagation_mode", "mounts must not spread to the node (%s)", mode)
	}
	for _, tmpl := range t.Templates {
		i.template(tmpl)
	}
	const problem = "the environment of the node and tokens are not available to instances"
	for _, name := range slices.Sorted(maps.Keys(t.Env)) {
		i.refuseIf(catalogue.ReadsEnvironment(t.Env[name]), "env", problem)
	}
	for _, key := range slices.Sorted(maps.Keys(t.Config)) {
		i.refuseIf(catalogue.ReadsEnvironment(t.Config[key]), key, problem)
	}
}

func (i *inspection) driver(t *api.Task) {
	if !slices.Contains(i.policy.Drivers, t.Driver) {
		i.refuse("driver", "the driver %s is not allowed here (allowed: %s)", t.Driver, strings.Join(i.policy.Drivers, ", "))
		return
	}
	switch t.Driver {
	case "docker":
		for _, p := range catalogue.DriverProblems(t.Driver, i.isolated(t.Config)) {
			i.refuse(p.Key, "%s", p.Reason)
		}
		i.pinned(t)
	case "exec":
		i.refuseIf(catalogue.IsRoot(t.User), "user", "processes run as nobody, not as root")
		i.config(t)
	case "raw_exec", "mock_driver":
		i.refuseIf(!i.policy.Development, "driver", "the driver %s has no isolation and is for development only", t.Driver)
	default:
		i.refuse("driver", "frama knows no rules for the driver %s", t.Driver)
	}
}

// config checks what the driver is told, by the rules that catalogue lint has too.
func (i *inspection) config(t *api.Task) {
	for _, p := range catalogue.DriverProblems(t.Driver, t.Config) {
		i.refuse(p.Key, "%s", p.Reason)
	}
}
