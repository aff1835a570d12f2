package nomad

import (
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/nomad/api"
)

// isolatedJob is a job after the mutators, for an application with the egress and capabilities.
func isolatedJob(egress string, capabilities []string, change func(*api.TaskGroup)) (*api.Job, []Violation) {
	job, want := goodJob(), wantedJob
	want.Egress, want.Capabilities = egress, capabilities
	task := job.TaskGroups[0].Tasks[0]
	for _, key := range []string{"network_mode", "cap_add", "cap_drop", "security_opt", "pids_limit"} {
		delete(task.Config, key)
	}
	if change != nil {
		change(job.TaskGroups[0])
	}
	c := &Cluster{options: Options{Namespace: "frama"}}
	job.Constraints = nil
	c.mutate(job, want, true)
	return job, ProductionPolicy().Violations(job, want)
}

func TestContainersGetTheNetworkAndRightsOfTheirManifest(t *testing.T) {
	for egress, network := range map[string]string{"": "frama-none", "none": "frama-none", "mail": "frama-mail", "web": "frama-web"} {
		job, found := isolatedJob(egress, []string{"CHOWN", "SETUID"}, nil)
		if len(found) > 0 {
			t.Error(found)
		}
		config := job.TaskGroups[0].Tasks[0].Config
		for key, want := range map[string]any{"network_mode": network, "cap_drop": []any{"all"}, "cap_add": []any{"CHOWN", "SETUID"},
			"security_opt": []any{"no-new-privileges"}, "pids_limit": defaultPids} {
			if !reflect.DeepEqual(config[key], want) {
				t.Errorf("%s: %s is %v, want %v", egress, key, config[key], want)
			}
		}
		if mode := job.TaskGroups[0].Services[0].AddressMode; mode != "host" {
			t.Errorf("the service is where the ingress cannot reach it: %q", mode)
		}
	}
}

func TestTasksOfOneNetworkShareThatOfTheirClass(t *testing.T) {
	job, found := isolatedJob("web", nil, func(g *api.TaskGroup) { g.Networks[0].Mode = "bridge" })
	if len(found) > 0 {
		t.Error(found)
	}
	group := job.TaskGroups[0]
	if _, set := group.Tasks[0].Config["network_mode"]; set || group.Networks[0].Mode != "cni/frama-web" {
		t.Error(group.Networks[0].Mode, group.Tasks[0].Config)
	}
}

func TestATaskMayDoWithoutNetwork(t *testing.T) {
	none := func(g *api.TaskGroup) { g.Tasks[0].Config["network_mode"] = "none" }
	if job, found := isolatedJob("web", nil, none); len(found) > 0 || job.TaskGroups[0].Tasks[0].Config["network_mode"] != "none" {
		t.Error(found)
	}
}

// What a job file says for itself is refused, not silently replaced.
func TestAJobFileDoesNotChooseItsIsolation(t *testing.T) {
	for key, value := range map[string]any{
		"network_mode": "host", "cap_add": []any{"SYS_ADMIN"}, "security_opt": []any{"seccomp=unconfined"}, "pids_limit": -1,
	} {
		_, found := isolatedJob("none", []string{"CHOWN"}, func(g *api.TaskGroup) { g.Tasks[0].Config[key] = value })
		if len(found) != 1 || !strings.Contains(found[0].Reason, key) {
			t.Errorf("%s = %v: %v", key, value, found)
		}
	}
	if _, found := isolatedJob("none", []string{"SYS_PTRACE"}, nil); len(found) != 1 {
		t.Error("a manifest may name any capability", found)
	}
}
