package nomad

import (
	"strings"

	"framagit.org/frama/frama/catalogue"

	"github.com/hashicorp/nomad/api"
)

// setImage has a container run what the host uses instead of the image that the job names. What was built on the node is
// never pulled: no registry has it.
func (c *Cluster) setImage(task *api.Task) {
	if task.Driver != "docker" {
		return
	}
	image, _ := task.Config["image"].(string)
	if instead, ok := c.options.Images.Instead(image); ok {
		image = instead.Use
		task.Config["image"] = image
	}
	if strings.HasPrefix(image, catalogue.LocalRegistry+"/") {
		delete(task.Config, "force_pull")
	}
}

// notBuilt explains an image that the node's engine lacks: Nomad says that it could not be pulled.
func notBuilt(text string) string {
	_, after, found := strings.Cut(text, catalogue.LocalRegistry+"/")
	if !found || !strings.Contains(text, "pull") {
		return ""
	}
	name, _, _ := strings.Cut(after, ":")
	name = strings.TrimRight(name, "`'\"., ")
	return "the image " + catalogue.LocalRegistry + "/" + name + " is not on the node: build it there with deploy/images/build " + name
}
