package nomad

import (
	"strings"

	"framagit.org/frama/frama/catalogue"
	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// pinImage has a container run the very image whose digest the manifest names, whatever its tag has come to mean.
func pinImage(task *api.Task, j provisioner.Job) {
	image, _ := task.Config["image"].(string)
	pinned := j.Images[task.Name]
	if task.Driver == "docker" && pinned != "" && strings.HasPrefix(pinned, image+"@") {
		task.Config["image"] = catalogue.ByDigest(pinned)
	}
}

// pinned refuses another image of the same name than the manifest's. What the host runs instead has another name.
func (i *inspection) pinned(t *api.Task) {
	image, _ := t.Config["image"].(string)
	want := i.want.Images[t.Name]
	i.refuseIf(want != "" && catalogue.Repository(image) == catalogue.Repository(want) && image != want && image != catalogue.ByDigest(want),
		"image", "the image %s is not the one that the manifest pins (%s)", image, want)
}
