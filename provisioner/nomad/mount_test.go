package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestMountOf(t *testing.T) {
	mount := func(label, path string) *api.VolumeMount {
		return &api.VolumeMount{Volume: ptr(label), Destination: ptr(path)}
	}
	task := func(name string, l *api.TaskLifecycle, mounts ...*api.VolumeMount) *api.Task {
		return &api.Task{Name: name, Lifecycle: l, VolumeMounts: mounts}
	}
	volumes := map[string]*api.VolumeRequest{
		"data": {Type: "csi", Source: "lilas-pads-data"}, "usr": {Type: "host", Source: "usr"}, "other": {Type: "host", Source: "lilas-pads-data"}, "none": nil,
	}
	for name, c := range map[string]struct {
		tasks      []*api.Task
		volumes    map[string]*api.VolumeRequest
		task, path string
	}{
		"the one task":           {[]*api.Task{task("app", nil, mount("usr", "/usr"), mount("data", "/data"))}, volumes, "app", "/data"},
		"the first that has it":  {[]*api.Task{task("web", nil, mount("usr", "/usr")), task("app", nil, mount("data", "/var/lib")), task("x", nil, mount("data", "/x"))}, volumes, "app", "/var/lib"},
		"not one that is over":   {[]*api.Task{task("init", &api.TaskLifecycle{Hook: "prestart"}, mount("data", "/i")), task("app", nil, mount("data", "/d"))}, volumes, "app", "/d"},
		"a sidecar runs beside":  {[]*api.Task{task("side", &api.TaskLifecycle{Hook: "prestart", Sidecar: true}, mount("data", "/s"))}, volumes, "side", "/s"},
		"no mount":               {[]*api.Task{task("app", nil, mount("usr", "/usr"))}, volumes, "", ""},
		"no volume of that name": {[]*api.Task{task("app", nil, mount("data", "/data"))}, map[string]*api.VolumeRequest{"data": {Type: "csi", Source: "other"}}, "", ""},
		"another kind":           {[]*api.Task{task("app", nil, mount("other", "/data"))}, map[string]*api.VolumeRequest{"other": volumes["other"]}, "", ""},
		"half a mount":           {[]*api.Task{task("app", nil, &api.VolumeMount{Volume: ptr("data")})}, volumes, "", ""},
	} {
		gotTask, gotPath := mountOf(&api.TaskGroup{Tasks: c.tasks, Volumes: c.volumes}, "lilas-pads-data")
		if gotTask != c.task || gotPath != c.path {
			t.Errorf("%s: %q in %q; want %q in %q", name, gotPath, gotTask, c.path, c.task)
		}
	}
}
