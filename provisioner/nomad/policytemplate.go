package nomad

import (
	"framagit.org/frama/frama/catalogue"

	"github.com/hashicorp/nomad/api"
)

// template checks what a template reads and where it writes, by the rules that catalogue lint has too.
func (i *inspection) template(t *api.Template) {
	i.refuseIf(deref(t.SourcePath) != "", "source", "a template is written in the job (data), not read from %s", deref(t.SourcePath))
	i.refuseIf(!catalogue.TemplateDestination(deref(t.DestPath)), "destination", "a template writes to %q: use local/ or secrets/ and a name, without folders", deref(t.DestPath))
	i.refuseIf(t.ChangeScript != nil, "change_script", "change_script runs a program on each change: use restart or a signal")
	found := catalogue.InspectTemplate(deref(t.EmbeddedTmpl), or(t.LeftDelim, "{{"), or(t.RightDelim, "}}"), secretsPath(i.want.ID))
	for _, p := range found.Problems {
		i.refuse("data", "%s", p.Reason)
	}
}
