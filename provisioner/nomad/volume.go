package nomad

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// What volumes are to Nomad. The plugin is frama volume serve, a node plugin only: registering a volume makes nothing, and
// deregistering it removes nothing. What is on the node goes by commands in the plugin's task (volumenode.go).
const (
	pluginID     = "frama"
	topologyNode = "frama/node" // the segment of a volume's topology that names its node
	markInstance = metaInstance // in a volume's context, as in a job's meta
	accessMode   = api.CSIVolumeAccessModeMultiNodeSingleWriter
)

// The access mode lets one task write and others read. A mode of a single node would allow one claim in all, and a copy
// could not be taken while the application runs.

// EnsureVolume makes a volume on the node and registers it, or finds it there and gives it the capacity, also while an
// instance uses it. It never moves or deletes one: a volume of that name on another node is the instance's data, and what
// to do about it is for people. A volume that is registered is never made again: its disk may be missing.
func (c *Cluster) EnsureVolume(ctx context.Context, v provisioner.Volume) error {
	defer c.jobs.lock("volume/" + v.Name)()
	registered, err := c.volume(ctx, v.Name)
	if err != nil {
		return err
	}
	if registered != nil {
		if err := c.usable(registered, v); err != nil {
			return err
		}
		return c.onNode(ctx, v, "resize", "--mib", strconv.Itoa(v.CapacityMiB), "--owner", v.Instance, v.Name)
	}
	err = c.onNode(ctx, v, "create", "--mib", strconv.Itoa(v.CapacityMiB), "--owner", v.Instance,
		"--uid", strconv.Itoa(v.UID), "--gid", strconv.Itoa(v.GID), "--mode", "0770", v.Name)
	if err != nil {
		return err
	}
	return c.registerVolume(ctx, v)
}

// volume returns what is registered under a name, nil when there is nothing.
func (c *Cluster) volume(ctx context.Context, name string) (*api.CSIVolume, error) {
	var found *api.CSIVolume
	err := c.call(ctx, "read volume "+name, func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		found, _, err = c.client.CSIVolumes().Info(name, r)
		if isNotFound(err) {
			found, err = nil, nil
		}
		return err
	})
	return found, err
}

func (c *Cluster) registerVolume(ctx context.Context, v provisioner.Volume) error {
	volume := &api.CSIVolume{
		ID: v.Name, Name: v.Name, ExternalID: v.Name, Namespace: c.options.Namespace, PluginID: pluginID,
		RequestedTopologies: &api.CSITopologyRequest{Required: []*api.CSITopology{{Segments: map[string]string{topologyNode: v.Node}}}},
		RequestedCapabilities: []*api.CSIVolumeCapability{{
			AccessMode: accessMode, AttachmentMode: api.CSIVolumeAttachmentModeFilesystem,
		}},
		Context: map[string]string{markInstance: v.Instance},
	}
	err := c.call(ctx, "register volume "+v.Name, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		// Not by CSIVolumes().Register: it wants an answer with a body, and 1.6.3 gives none.
		_, err = c.client.Raw().Write("/v1/volume/csi/"+volume.ID, &api.CSIVolumeRegisterRequest{Volumes: []*api.CSIVolume{volume}}, nil, w)
		return err
	})
	if err != nil && hasAny(err.Error(), "no CSI plugin named") {
		// Nomad takes some seconds to find a plugin that has just started.
		return &provisioner.TemporaryError{Reason: "Nomad does not know the volume plugin yet (volume " + v.Name + ")", After: time.Second, Err: err}
	}
	return err
}

// usable refuses a volume that is not this instance's, or not on its node.
func (c *Cluster) usable(registered *api.CSIVolume, v provisioner.Volume) error {
	if registered.PluginID != pluginID {
		return &provisioner.RefusedError{Err: fmt.Errorf("volume %s is of the plugin %s and was not made by frama: deregister it, or find out whose it is: %w",
			v.Name, registered.PluginID, ErrForeign)}
	}
	if mark := registered.Context[markInstance]; mark != v.Instance {
		return &provisioner.RefusedError{Err: fmt.Errorf("volume %s belongs to instance %q, not %q: find out which of the two is right before anything else: %w",
			v.Name, mark, v.Instance, ErrForeign)}
	}
	if node := nodeOf(registered); node != v.Node {
		return fmt.Errorf("volume %s is on node %s, not on %s: the instance's data is there; place the instance on that node, or restore a backup and delete the old volume by hand",
			v.Name, node, v.Node)
	}
	return nil
}

// nodeOf is the node that a registered volume is on.
func nodeOf(v *api.CSIVolume) string {
	for _, t := range v.Topologies {
		if node := t.Segments[topologyNode]; node != "" {
			return node
		}
	}
	return ""
}

// claimed reports whether a task still has the volume.
func claimed(v *api.CSIVolume) bool { return len(v.ReadAllocs)+len(v.WriteAllocs) > 0 }

// inUse is temporary: Nomad gives a volume back some time after its task has stopped.
func inUse(name string) error {
	return &provisioner.TemporaryError{Reason: "volume " + name + " is still used by a task that is stopping", After: 500 * time.Millisecond}
}
