package nomad

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// checkVolumes runs frama volume check on each node that is ready, as frama runs the commands that make volumes.
func (c *Cluster) checkVolumes(ctx context.Context) Check {
	check := Check{Name: "volumes"}
	stubs, err := c.nodeStubs(ctx)
	if err != nil {
		check.Detail, check.Mend = detail(err), "apply "+policyFile+": it has node { policy = \"read\" }"
		return check
	}
	var unlimited, problems []string
	ready := 0
	for _, stub := range stubs {
		if stub.Status != api.NodeStatusReady {
			continue // what it has can only be guessed
		}
		ready++
		kept, err := c.keepsSizes(ctx, stub.ID)
		var later *provisioner.TemporaryError
		switch {
		case errors.As(err, &later):
			problems = append(problems, fmt.Sprintf("%s: %s", stub.Name, later.Reason))
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s: %v", stub.Name, err))
		case !kept:
			unlimited = append(unlimited, stub.Name)
		}
	}
	switch {
	case len(problems) > 0:
		check.Detail, check.Mend = strings.Join(problems, "; "), "see docs/operate/volumes.md"
	case len(unlimited) > 0:
		check.OK = true
		check.Detail = "the plugin runs on every node that is ready; volumes have no limits on " + strings.Join(unlimited, ", ")
		check.Mend = "put them on a file system with quotas (docs/operate/volumes.md)"
	default:
		check.OK, check.Detail = true, fmt.Sprintf("the plugin runs and keeps sizes on every node that is ready (%d)", ready)
	}
	return check
}

// keepsSizes asks a node whether its volumes have limits.
func (c *Cluster) keepsSizes(ctx context.Context, node string) (bool, error) {
	answer, err := c.framaVolume(ctx, node, "check")
	if err != nil {
		return false, err
	}
	var folder struct {
		Kept bool `json:"kept"`
	}
	if err := json.Unmarshal(answer, &folder); err != nil {
		return false, fmt.Errorf("what frama volume check says on node %s is no JSON: is it another version of frama? %w", node, err)
	}
	return folder.Kept, nil
}
