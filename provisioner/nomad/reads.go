package nomad

import (
	"context"
	"regexp"

	"github.com/hashicorp/nomad/api"
)

// ReadsSecret says whether a template of the job, as it is registered, names that key. A job that is older than the
// catalogue's entry does not know the keys that came with it: to change them would change nothing. It is false where there
// is no such job.
func (c *Cluster) ReadsSecret(ctx context.Context, job, key string) (bool, error) {
	registered, err := c.job(ctx, job)
	if err != nil || registered == nil {
		return false, err
	}
	return reads(registered, key), nil
}

func reads(job *api.Job, key string) bool {
	named := regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`)
	for _, group := range job.TaskGroups {
		for _, task := range group.Tasks {
			for _, t := range task.Templates {
				// What a template from elsewhere reads, nobody knows here.
				if deref(t.SourcePath) != "" || named.MatchString(deref(t.EmbeddedTmpl)) {
					return true
				}
			}
		}
	}
	return false
}
