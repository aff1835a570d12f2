package nomad

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"

	"github.com/hashicorp/nomad/api"
)

// catalogue lint must have an opinion on every key and block of Nomad's job files, and know none that Nomad does not: a new
// version of Nomad's client shows here what it adds.
func TestLintKnowsNomadsJobFiles(t *testing.T) {
	blocks := map[string]any{
		"job": api.Job{}, "group": api.TaskGroup{}, "task": api.Task{}, "network": api.NetworkResource{}, "port": api.Port{}, "dns": api.DNSConfig{},
		"volume": api.VolumeRequest{}, "volume_mount": api.VolumeMount{}, "service": api.Service{}, "check": api.ServiceCheck{},
		"check_restart": api.CheckRestart{}, "template": api.Template{}, "wait": api.WaitConfig{}, "resources": api.Resources{},
		"lifecycle": api.TaskLifecycle{}, "logs": api.LogConfig{}, "restart": api.RestartPolicy{}, "ephemeral_disk": api.EphemeralDisk{},
		"update": api.UpdateStrategy{}, "ui": api.JobUIConfig{}, "link": api.JobUILink{},
	}
	// Read by Nomad's parser of job files beside the struct's own fields.
	beside := map[string]string{"job": "vault secret task", "group": "vault secret"}
	for name, block := range blocks {
		known := map[string]bool{}
		for _, extra := range strings.Fields(beside[name]) {
			known[extra] = true
		}
		kind := reflect.TypeOf(block)
		for i := range kind.NumField() {
			key, option, _ := strings.Cut(kind.Field(i).Tag.Get("hcl"), ",")
			if key != "" && option != "label" {
				known[key] = true
			}
		}
		keys := catalogue.JobKeys(name)
		for key := range known {
			if !slices.Contains(keys, key) {
				t.Errorf("lint has no opinion on %s in %s", key, name)
			}
		}
		for _, key := range keys {
			if !known[key] {
				t.Errorf("Nomad knows no %s in %s", key, name)
			}
		}
	}
}
