package nomad

import (
	"path"
	"slices"
	"strings"

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
	i.refuseIf(len(t.Artifacts) > 0 && !i.policy.AllowArtifacts, "artifact", "artifacts are downloads that nobody pinned: put the files into the image")
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
}

func (i *inspection) driver(t *api.Task) {
	if !slices.Contains(i.policy.Drivers, t.Driver) {
		i.refuse("driver", "the driver %s is not allowed here (allowed: %s)", t.Driver, strings.Join(i.policy.Drivers, ", "))
		return
	}
	switch t.Driver {
	case "docker":
		i.docker(t)
	case "exec":
		i.refuseIf(isRoot(t.User), "user", "processes run as nobody, not as root")
		i.exec(t.Config)
	case "raw_exec", "mock_driver":
		i.refuseIf(!i.policy.Development, "driver", "the driver %s has no isolation and is for development only", t.Driver)
	default:
		i.refuse("driver", "frama knows no rules for the driver %s", t.Driver)
	}
}

func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "root" || strings.Trim(name, "0") == "" && name != ""
}

// exec knows the keys of the exec driver that give no more than the driver itself does.
func (i *inspection) exec(config map[string]any) {
	for key, value := range config {
		switch key {
		case "command", "args", "cap_drop", "no_new_privileges", "work_dir":
		case "pid_mode", "ipc_mode":
			i.refuseIf(value != "private" && value != "", key, "%s = %v shares the node's processes or memory", key, value)
		case "cap_add":
			i.refuseIf(!isEmpty(value), key, "cap_add gives rights over the node")
		default:
			i.refuse(key, "%s is not allowed for the exec driver", key)
		}
	}
}

// harmless are keys of the docker driver that do not reach beyond the container.
var harmless = strings.Fields(`args command dns_options dns_search_domains dns_servers entrypoint force_pull healthchecks
	hostname image_pull_timeout init interactive labels ports readonly_rootfs shm_size stop_signal tty
	cap_drop pids_limit ulimit work_dir oom_score_adj`)

// dangers say why the best known other keys are refused.
func danger(key string) string {
	return map[string]string{
		"privileged":          "a privileged container is root on the node",
		"cap_add":             "cap_add gives rights over the node",
		"volumes":             "volumes mount paths of the node: use volume_mount",
		"volume_driver":       "volume drivers reach beyond the container",
		"devices":             "devices of the node are not available to instances",
		"network_mode":        "network_mode takes the container out of its own network",
		"pid_mode":            "pid_mode shares the node's processes",
		"ipc_mode":            "ipc_mode shares the node's memory",
		"uts_mode":            "uts_mode shares the node's host name",
		"userns_mode":         "userns_mode takes the container out of its user namespace",
		"cgroupns":            "cgroupns shares the node's control groups",
		"security_opt":        "security_opt can switch confinement off",
		"sysctl":              "sysctl changes the kernel",
		"runtime":             "the runtime is the host's to choose",
		"auth":                "credentials of a registry do not belong in a job",
		"auth_soft_fail":      "credentials of a registry do not belong in a job",
		"logging":             "logging sends what users do elsewhere",
		"extra_hosts":         "extra_hosts can point known names elsewhere",
		"load":                "load runs an image that nobody pinned",
		"storage_opt":         "storage_opt changes the node's storage",
		"cgroup_parent":       "cgroup_parent escapes the limits of resources",
		"memory_hard_limit":   "memory_hard_limit escapes what the instance reserved: use memory_max",
		"cpu_hard_limit":      "cpu_hard_limit is not used here",
		"group_add":           "group_add gives rights over the node's files",
		"isolation":           "isolation is not the catalogue's to choose",
		"advertise_ipv6_addr": "addresses are not the catalogue's to choose",
	}[key]
}

func (i *inspection) docker(t *api.Task) {
	for key, value := range t.Config {
		switch {
		case key == "image":
			i.image(value)
		case key == "mount" || key == "mounts":
			i.mounts(key, value)
		case slices.Contains(harmless, key) || isEmpty(value):
		case key == "network_mode" && value == "bridge":
		case danger(key) != "":
			i.refuse(key, "%s", danger(key))
		default:
			i.refuse(key, "%s is not known to be harmless", key)
		}
	}
	i.refuseIf(t.Config["image"] == nil, "image", "there is no image")
}

// image wants a tag that says a version, or a digest: "latest" is another program every day.
func (i *inspection) image(value any) {
	image, ok := value.(string)
	if !ok || image == "" || strings.ContainsAny(image, "${} ") {
		i.refuse("image", "the image must be written out")
		return
	}
	if _, digest, pinned := strings.Cut(image, "@sha256:"); pinned {
		i.refuseIf(len(digest) != 64, "image", "image %s: a digest has 64 digits", image)
		return
	}
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, tagged := strings.Cut(name, ":")
	dots := strings.Count(tag, ".")
	i.refuseIf(!tagged || tag == "latest" || dots == 0 || !strings.ContainsAny(tag[:1], "v0123456789"), "image",
		"image %s must be pinned to a full version, as 3.3.1, or to a digest", image)
}

// mounts: memory, or files that Nomad wrote for this very task.
func (i *inspection) mounts(key string, value any) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, one := range list {
		m, ok := one.(map[string]any)
		if !ok {
			i.refuse(key, "a mount is a block")
			continue
		}
		source, _ := m["source"].(string)
		for option := range m {
			i.refuseIf(!slices.Contains([]string{"type", "source", "target", "readonly", "tmpfs_options"}, option), key,
				"%s of a mount is not known to be harmless", option)
		}
		switch m["type"] {
		case "tmpfs":
		case "bind":
			i.refuseIf(!ownFile(source), key, "a mount of %q: only files under local/ and secrets/ of the task itself", source)
		default:
			i.refuse(key, "a mount of type %v: volumes come by volume_mount", m["type"])
		}
	}
}

// ownFile says whether a relative path stays in the directories that Nomad makes for the task.
func ownFile(p string) bool {
	clean := path.Clean(p)
	return p != "" && !path.IsAbs(p) && !strings.Contains(p, "$") &&
		(strings.HasPrefix(clean, "local/") || strings.HasPrefix(clean, "secrets/"))
}

func isEmpty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case bool:
		return !x
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case []string:
		return len(x) == 0
	case map[string]any:
		return len(x) == 0
	}
	return false
}
