package nomad

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"
)

// checkVolumePlugin asks each node whether it found the plugin that makes volumes. Whether the file system there keeps
// limits shows with the first volume, or with frama volume check on the node.
func (c *Cluster) checkVolumePlugin(ctx context.Context) Check {
	check := Check{Name: "volume plugin"}
	var stubs []*api.NodeListStub
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		stubs, _, err = c.client.Nodes().List(r)
		return err
	})
	var without []string
	for _, stub := range stubs {
		if err != nil {
			break
		}
		if stub.Status != api.NodeStatusReady {
			continue // what it has can only be guessed
		}
		var has bool
		if has, err = c.hasPlugin(ctx, stub.ID); err == nil && !has {
			without = append(without, stub.Name)
		}
	}
	switch {
	case err != nil:
		check.Detail, check.Mend = detail(err), "apply "+policyFile+": it has node { policy = \"read\" }"
	case len(without) > 0:
		check.Detail = fmt.Sprintf("%s is not on %s", c.options.VolumePlugin, strings.Join(without, ", "))
		check.Mend = "run deploy/volume/install there, or set nomad.volume_plugin to mkdir, which keeps no limits"
	default:
		check.OK, check.Detail = true, c.options.VolumePlugin+" on every node that is ready"
	}
	return check
}

// hasPlugin reads a node's attributes, which lists of nodes do not have.
func (c *Cluster) hasPlugin(ctx context.Context, node string) (bool, error) {
	var found *api.Node
	err := c.once(ctx, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		found, _, err = c.client.Nodes().Info(node, r)
		return err
	})
	if isNotFound(err) {
		return true, nil // gone since it was listed
	}
	if err != nil {
		return false, err
	}
	return found.Attributes["plugins.host_volume."+c.options.VolumePlugin+".version"] != "", nil
}
