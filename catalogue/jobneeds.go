package catalogue

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// JobNeeds lists the requirements of a job on its node.
type JobNeeds struct {
	Drivers     []string      // task drivers, sorted
	KillTimeout time.Duration // the longest that a task gets to stop; 0 where none asks for a time
}

// JobNeeds returns what the application's job asks of a node.
func (a App) JobNeeds() (JobNeeds, error) {
	if _, _, err := a.Job(); err != nil {
		return JobNeeds{}, err
	}
	return a.job.needs, a.job.needsErr
}

// jobNeeds reads a job file. Drivers and kill timeouts are written out there: they depend on no variable.
func jobNeeds(source, path string) (JobNeeds, error) {
	var needs JobNeeds
	file, found := hclsyntax.ParseConfig([]byte(source), path, hcl.InitialPos)
	body, ok := file.Body.(*hclsyntax.Body)
	if found.HasErrors() || !ok {
		return needs, fmt.Errorf("read job file %s: %w", path, found)
	}
	for _, task := range tasksOf(body) {
		driver, known := literalText(task, "driver")
		if !known {
			return needs, fmt.Errorf("%s: task %v has no driver that is written out: write driver = \"docker\"", path, task.Labels)
		}
		needs.Drivers = append(needs.Drivers, driver)
		if text, known := literalText(task, "kill_timeout"); known {
			timeout, err := time.ParseDuration(text)
			if err != nil {
				return needs, fmt.Errorf("%s: task %v: kill_timeout: %w", path, task.Labels, err)
			}
			needs.KillTimeout = max(needs.KillTimeout, timeout)
		}
	}
	slices.Sort(needs.Drivers)
	needs.Drivers = slices.Compact(needs.Drivers)
	return needs, nil
}

// tasksOf lists the task blocks of all groups.
func tasksOf(body *hclsyntax.Body) (tasks []*hclsyntax.Block) {
	for _, job := range body.Blocks {
		if job.Type != "job" {
			continue
		}
		for _, group := range blocksOf(job, "group") {
			tasks = append(tasks, blocksOf(group, "task")...)
		}
	}
	return tasks
}

// literalText is the text of an attribute that needs no variable.
func literalText(block *hclsyntax.Block, name string) (string, bool) {
	attr, ok := block.Body.Attributes[name]
	if !ok {
		return "", false
	}
	value, found := attr.Expr.Value(nil)
	if found.HasErrors() || value.IsNull() || value.Type() != cty.String {
		return "", false
	}
	return value.AsString(), true
}

// Grows reports whether an instance may use more memory than it reserves, in any plan.
func (a App) Grows() bool {
	for _, size := range a.sizes {
		if size.MemoryMax > size.Memory {
			return true
		}
	}
	return false
}
