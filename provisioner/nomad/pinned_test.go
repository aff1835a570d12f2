package nomad

import (
	"strings"
	"testing"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

func TestJobsRunThePinnedImage(t *testing.T) {
	digest, other := "sha256:"+strings.Repeat("a", 64), "sha256:"+strings.Repeat("b", 64)
	pinned := provisioner.Job{Images: map[string]string{"app": "docker.io/etherpad/etherpad:3.3.1@" + digest}}
	here := catalogue.Images{Substitutes: []catalogue.Substitute{{From: "docker.io/etherpad/etherpad", Use: "frama.local/etherpad:1.8.14", Version: "1.8.14"}}}
	for name, c := range map[string]struct {
		job         provisioner.Job
		images      catalogue.Images
		image, want string
		refused     bool
	}{
		"pinned":                 {pinned, catalogue.Images{}, "docker.io/etherpad/etherpad:3.3.1", "docker.io/etherpad/etherpad@" + digest, false},
		"no digest is known":     {provisioner.Job{}, catalogue.Images{}, "docker.io/etherpad/etherpad:3.3.1", "docker.io/etherpad/etherpad:3.3.1", false},
		"the job has it already": {pinned, catalogue.Images{}, "docker.io/etherpad/etherpad@" + digest, "docker.io/etherpad/etherpad@" + digest, false},
		"the job has another":    {pinned, catalogue.Images{}, "docker.io/etherpad/etherpad@" + other, "docker.io/etherpad/etherpad@" + other, true},
		"beside the tag":         {pinned, catalogue.Images{}, "docker.io/etherpad/etherpad:3.3.1@" + other, "docker.io/etherpad/etherpad:3.3.1@" + other, true},
		"another tag":            {pinned, catalogue.Images{}, "docker.io/etherpad/etherpad:3.3.2", "docker.io/etherpad/etherpad:3.3.2", true},
		"built on this machine":  {pinned, here, "docker.io/etherpad/etherpad:3.3.1", "frama.local/etherpad:1.8.14", false},
		"built here, not pinned": {provisioner.Job{}, here, "docker.io/etherpad/etherpad:3.3.1", "frama.local/etherpad:1.8.14", false},
		"another task's is not it": {provisioner.Job{Images: map[string]string{"db": "docker.io/etherpad/etherpad:3.3.1@" + digest}}, catalogue.Images{},
			"docker.io/etherpad/etherpad:3.3.1", "docker.io/etherpad/etherpad:3.3.1", false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &Cluster{options: Options{Images: c.images}}
			task := &api.Task{Name: "app", Driver: "docker", Config: map[string]any{"image": c.image}}
			pinImage(task, c.job)
			cluster.setImage(task)
			if task.Config["image"] != c.want {
				t.Errorf("runs %v, want %s", task.Config["image"], c.want)
			}
			i := &inspection{policy: ProductionPolicy(), want: c.job}
			i.pinned(task)
			if refused := len(i.found) > 0; refused != c.refused {
				t.Errorf("violations: %v", i.found)
			}
		})
	}
}
