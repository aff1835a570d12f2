package nomad

import (
	"testing"

	"framagit.org/frama/frama/catalogue"

	"github.com/hashicorp/nomad/api"
)

func TestSetImage(t *testing.T) {
	c := &Cluster{options: Options{Images: catalogue.Images{Substitutes: []catalogue.Substitute{
		{From: "docker.io/etherpad/etherpad", Use: "frama.local/etherpad:1.8.14", Version: "1.8.14"},
	}}}}
	for _, test := range []struct {
		driver, image, want string
		pulls               bool
	}{
		{"docker", "docker.io/etherpad/etherpad:3.3.1", "frama.local/etherpad:1.8.14", false},
		{"docker", "docker.io/etherpad/etherpad-extra:3.3.1", "docker.io/etherpad/etherpad-extra:3.3.1", true},
		{"docker", "frama.local/sympa:6.2.70", "frama.local/sympa:6.2.70", false},
		{"exec", "docker.io/etherpad/etherpad:3.3.1", "docker.io/etherpad/etherpad:3.3.1", true},
	} {
		task := &api.Task{Driver: test.driver, Config: map[string]any{"image": test.image, "force_pull": true}}
		c.setImage(task)
		if task.Config["image"] != test.want || (task.Config["force_pull"] != nil) != test.pulls {
			t.Errorf("%s %s: %v", test.driver, test.image, task.Config)
		}
	}
}

func TestNotBuilt(t *testing.T) {
	for text, want := range map[string]string{
		"Failed to pull `frama.local/etherpad:1.8.14`: API error (500): Get https://frama.local/v2/: dial tcp: lookup frama.local: no such host": "the image frama.local/etherpad is not on the node: build it there with deploy/images/build etherpad",
		"Failed to pull `docker.io/etherpad/etherpad:3.3.1`: timeout":                                                                            "",
		"Exit Code: 1": "",
	} {
		if got := notBuilt(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
