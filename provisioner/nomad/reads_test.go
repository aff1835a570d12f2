package nomad

import (
	"testing"

	"github.com/hashicorp/nomad/api"
)

func TestReads(t *testing.T) {
	job := func(templates ...*api.Template) *api.Job {
		return &api.Job{TaskGroups: []*api.TaskGroup{{Tasks: []*api.Task{{Name: "init"}, {Name: "app", Templates: templates}}}}}
	}
	embedded := func(text string) *api.Template { return &api.Template{EmbeddedTmpl: ptr(text)} }
	for name, c := range map[string]struct {
		job  *api.Job
		want bool
	}{
		"no template":               {job(), false},
		"before there was the key":  {job(embedded(`TITLE={{ .title.Value }}`), &api.Template{}), false},
		"another key that is alike": {job(embedded(`{{ .edit_only_once.Value }} {{ .no_edit_only.Value }}`)), false},
		"it reads the key":          {job(embedded(`A=1`), embedded(`{{ if .edit_only }}{{ .edit_only.Value }}{{ end }}`)), true},
		"it reads the key by index": {job(embedded(`{{ index . "edit_only" }}`)), true},
		"a template from elsewhere": {job(&api.Template{SourcePath: ptr("local/app.tmpl")}), true},
	} {
		if got := reads(c.job, "edit_only"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
