package nomad

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// EnsureVolume makes a dynamic host volume on the node, or finds it there. It never moves or deletes one: a volume of
// that name on another node is the instance's data, and what to do about it is for people. Nomad's client refuses a
// second volume of one name on a node, so that a try whose answer was lost may be repeated.
//
// The built-in plugin mkdir does not enforce the capacity, and records none. A volume of the plugin frama-volume that has
// another capacity than it should is resized (resize.go). Volumes stay with the plugin that made them, whatever
// nomad.volume_plugin says since.
func (c *Cluster) EnsureVolume(ctx context.Context, v provisioner.Volume) error {
	defer c.jobs.lock("volume/" + v.Name)()
	known, err := c.volumes(ctx, fmt.Sprintf("Name == %q", v.Name))
	if err != nil {
		return err
	}
	var here *api.HostVolumeStub
	for _, one := range known {
		if one.NodeID != v.Node {
			return fmt.Errorf("volume %s is on node %s, not on %s: the instance's data is there; place the instance on that node, or restore a backup and delete the old volume by hand",
				v.Name, one.NodeID, v.Node)
		}
		here = one
	}
	if here == nil {
		return c.createVolume(ctx, v)
	}
	if here.State != api.HostVolumeStateReady {
		return notReady(v, string(here.State))
	}
	return c.resize(ctx, v, here)
}

// volumes lists those that a filter lets through.
func (c *Cluster) volumes(ctx context.Context, filter string) ([]*api.HostVolumeStub, error) {
	var found []*api.HostVolumeStub
	err := c.call(ctx, "list host volumes", func(ctx context.Context) error {
		r, err := c.read(ctx)
		if err != nil {
			return err
		}
		r.Filter = filter
		found, _, err = c.client.HostVolumes().List(&api.HostVolumeListRequest{}, r)
		return err
	})
	return found, err
}

func (c *Cluster) createVolume(ctx context.Context, v provisioner.Volume) error {
	volume := &api.HostVolume{
		Namespace: c.options.Namespace, Name: v.Name, PluginID: c.options.VolumePlugin, NodeID: v.Node,
		RequestedCapacityMinBytes: int64(v.CapacityMiB) << 20,
		RequestedCapacityMaxBytes: int64(v.CapacityMiB) << 20,
		RequestedCapabilities: []*api.HostVolumeCapability{{
			AttachmentMode: api.HostVolumeAttachmentModeFilesystem,
			AccessMode:     api.HostVolumeAccessModeSingleNodeSingleWriter,
		}},
		Parameters: map[string]string{
			"uid": strconv.Itoa(v.UID), "gid": strconv.Itoa(v.GID), "mode": "0770",
		},
	}
	made, err := c.putVolume(ctx, "create volume "+v.Name, volume)
	switch {
	case err != nil && hasAny(err.Error(), "already exists on this node"):
		return notReady(v, "being made by another call")
	case err != nil:
		return pluginError(v, err)
	case made.State != api.HostVolumeStateReady:
		return notReady(v, string(made.State))
	}
	return nil
}

// putVolume makes a volume, or changes the one whose ID it has.
func (c *Cluster) putVolume(ctx context.Context, doing string, v *api.HostVolume) (*api.HostVolume, error) {
	var made *api.HostVolumeCreateResponse
	err := c.call(ctx, doing, func(ctx context.Context) error {
		w, err := c.write(ctx)
		if err != nil {
			return err
		}
		made, _, err = c.client.HostVolumes().Create(&api.HostVolumeCreateRequest{Volume: v}, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made.Volume, nil
}

// pluginMkdir is Nomad's own.
const pluginMkdir = "mkdir"

// pluginError says where to look when a client could not make a volume as asked: nothing but a change there helps.
func pluginError(v provisioner.Volume, err error) error {
	if !hasAny(err.Error(), "no such plugin", "plugin not executable", "with plugin") {
		return err
	}
	return &provisioner.RefusedError{
		Reason: fmt.Sprintf("node %s cannot make volume %s with nomad.volume_plugin: mend what it says (docs/operate/volumes.md), then retry", v.Node, v.Name),
		Err:    err,
	}
}

// notReady: the node reports a new volume within seconds. unavailable means that its node is gone.
func notReady(v provisioner.Volume, state string) error {
	reason := fmt.Sprintf("volume %s is %s on node %s", v.Name, state, v.Node)
	after := 300 * time.Millisecond
	if state == string(api.HostVolumeStateUnavailable) {
		reason += ": bring the node back"
		after = time.Minute
	}
	return &provisioner.TemporaryError{Reason: reason, After: after}
}
