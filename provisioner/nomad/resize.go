package nomad

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"framagit.org/frama/frama/provisioner"

	"github.com/hashicorp/nomad/api"
)

// Parameters that frama-volume understands, as in provisioner/volume.
const (
	paramLimitOf = "limit_of"
	paramBytes   = "bytes"
)

// resize gives a volume of frama-volume the capacity it should have, without stopping the instance.
//
// Nomad changes no volume that an allocation uses, nor lets it shrink. So another volume carries the new capacity to the
// plugin: it has no folder, no job can use it, and it is there only so that Nomad's client repeats the request when it
// starts. Its recorded capacity is the one in force.
func (c *Cluster) resize(ctx context.Context, v provisioner.Volume, data *api.HostVolumeStub) error {
	want := int64(v.CapacityMiB) << 20
	if data.PluginID == pluginMkdir || want == 0 {
		return nil
	}
	carriers, err := c.volumes(ctx, fmt.Sprintf("Name == %q", carrierOf(data)))
	if err != nil {
		return err
	}
	have, id := data.CapacityBytes, ""
	if len(carriers) > 0 {
		have, id = carriers[0].CapacityBytes, carriers[0].ID
	}
	if have == want {
		return nil
	}
	_, err = c.putVolume(ctx, fmt.Sprintf("resize volume %s to %d MiB", v.Name, v.CapacityMiB), &api.HostVolume{
		ID: id, Namespace: c.options.Namespace, Name: carrierOf(data), PluginID: data.PluginID, NodeID: data.NodeID,
		Parameters: map[string]string{paramLimitOf: data.ID, paramBytes: strconv.FormatInt(want, 10)},
	})
	if err != nil && hasAny(err.Error(), "make room in it") {
		return &provisioner.KeptError{Reason: fmt.Sprintf("volume %s stays at %d MiB instead of %d: it holds more", v.Name, have>>20, v.CapacityMiB), Err: err}
	}
	if err != nil {
		return pluginError(v, err)
	}
	return nil
}

// carrierOf names the volume that carries another one's capacity. It holds the ID, so that a new volume of an old name is
// not taken for the old one.
func carrierOf(data *api.HostVolumeStub) string { return carrierPrefix(data.Name) + data.ID }

func carrierPrefix(volume string) string { return volume + ".size-of-" }

// volumesOf lists an instance's volume and what carries its capacity, the carriers first.
func (c *Cluster) volumesOf(ctx context.Context, name string) ([]*api.HostVolumeStub, error) {
	all, err := c.volumes(ctx, fmt.Sprintf("Name == %q or Name contains %q", name, carrierPrefix(name)))
	if err != nil {
		return nil, err
	}
	// The filter knows no prefixes.
	all = slices.DeleteFunc(all, func(v *api.HostVolumeStub) bool {
		return v.Name != name && !strings.HasPrefix(v.Name, carrierPrefix(name))
	})
	slices.SortFunc(all, func(a, b *api.HostVolumeStub) int { return len(b.Name) - len(a.Name) })
	return all, nil
}
