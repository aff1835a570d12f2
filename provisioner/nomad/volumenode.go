package nomad

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// The system job of the volume plugin, as deploy/nomad/frama-volumes.nomad.hcl names it.
const (
	volumesJob  = "frama-volumes"
	volumesTask = "volumes"
)

// nodeCommand is how long a command of frama volume may take. Only one that removes a large volume takes more than a moment;
// it goes on by itself, and the next try finds it done.
const nodeCommand = 2 * time.Minute

// onNode runs frama volume on the volume's node and words what it says.
func (c *Cluster) onNode(ctx context.Context, v provisioner.Volume, act string, args ...string) error {
	_, err := c.framaVolume(ctx, v.Node, append([]string{act}, args...)...)
	return worded(err, v, act)
}

// worded makes of what frama volume said on a node what it means for the volume.
func worded(err error, v provisioner.Volume, act string) error {
	var refused *nodeError
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.words == "": // killed with the plugin: a command of frama never fails without a word
		return &provisioner.TemporaryError{
			Reason: fmt.Sprintf("the volume plugin on node %s ended while it was to %s volume %s", v.Node, act, v.Name), After: 2 * time.Second,
			Err: err,
		}
	case strings.Contains(refused.words, "make room in it first"): // volume.ErrHoldsMore
		return &provisioner.KeptError{Reason: fmt.Sprintf("volume %s keeps its size instead of %d MiB: it holds more", v.Name, v.CapacityMiB), Err: err}
	case strings.Contains(refused.words, "a task still uses it"): // volume.ErrInUse
		return inUse(v.Name)
	}
	return &provisioner.RefusedError{
		Reason: fmt.Sprintf("node %s cannot %s volume %s: mend what it says (docs/operate/volumes.md), then retry", v.Node, act, v.Name), Err: err,
	}
}

// nodeError is what frama volume said on a node before it failed.
type nodeError struct{ words string }

func (e *nodeError) Error() string { return cmp.Or(e.words, "frama volume ended without a word") }

// framaVolume runs frama volume in the task of the plugin on a node and returns its answer in JSON.
func (c *Cluster) framaVolume(ctx context.Context, node string, args ...string) (answer []byte, err error) {
	alloc, binary, err := c.pluginOn(ctx, node)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, nodeCommand)
	defer cancel()
	var out bytes.Buffer // whole: check lists all volumes of the node
	var said tail
	doing := "run frama volume " + args[0] + " on node " + node
	code, err := c.exec(ctx, doing, alloc, volumesTask, append([]string{binary, "volume", "--json"}, args...), &out, &said)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, &nodeError{problemIn(said.String())}
	}
	return out.Bytes(), nil
}

// problemIn reads an error as the command line writes it with --json.
func problemIn(said string) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(said), &answer) != nil || answer.Error == "" {
		return strings.TrimSpace(said)
	}
	return answer.Error
}

// pluginOn finds the allocation of the plugin that runs on a node, and the binary it was started with.
func (c *Cluster) pluginOn(ctx context.Context, node string) (alloc *api.Allocation, binary string, err error) {
	var job *api.Job
	var stubs []*api.AllocationListStub
	err = c.call(ctx, "find the volume plugin on node "+node, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.Namespace = c.options.NodeNamespace
		if job, _, err = c.client.Jobs().Info(volumesJob, r); err != nil {
			return err
		}
		if r, err = c.read(ctx); err != nil {
			return err
		}
		r.Namespace = c.options.NodeNamespace
		stubs, _, err = c.client.Jobs().Allocations(volumesJob, false, r)
		return err
	})
	if isNotFound(err) {
		return nil, "", &provisioner.TemporaryError{
			Reason: fmt.Sprintf("the volume plugin does not run: register the job %s in namespace %s (docs/operate/volumes.md)", volumesJob, c.options.NodeNamespace),
			After:  time.Minute,
		}
	}
	if err != nil {
		return nil, "", err
	}
	for _, stub := range stubs {
		state := stub.TaskStates[volumesTask]
		if stub.NodeID == node && stub.ClientStatus == api.AllocClientStatusRunning && state != nil && state.State == "running" {
			alloc = &api.Allocation{ID: stub.ID, NodeID: stub.NodeID, Namespace: stub.Namespace}
		}
	}
	if alloc == nil {
		return nil, "", &provisioner.TemporaryError{
			Reason: fmt.Sprintf("the volume plugin does not run on node %s: bring the node back, or look at job %s there", node, volumesJob),
			After:  10 * time.Second,
		}
	}
	binary = commandOf(job)
	if binary == "" {
		return nil, "", &provisioner.RefusedError{Err: fmt.Errorf("job %s has no task %s with a command that is written out: register it as %q prints it", volumesJob, volumesTask, "frama volume job")}
	}
	return alloc, binary, nil
}

// commandOf is the program of the plugin's task.
func commandOf(job *api.Job) string {
	for _, group := range job.TaskGroups {
		for _, task := range group.Tasks {
			if command, ok := task.Config["command"].(string); ok && task.Name == volumesTask && strings.HasPrefix(command, "/") && !strings.Contains(command, "$") {
				return command
			}
		}
	}
	return ""
}
