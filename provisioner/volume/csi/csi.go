// Package csi offers the volumes of a machine to Nomad, as a plugin of the Container Storage Interface that has a node
// part only: Nomad asks it to mount and unmount what provisioner/volume made. Volumes are made, resized and removed by
// frama volume, never by Nomad: to deregister a volume removes nothing.
package csi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"

	"framagit.org/frama/frama/provisioner/volume"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	// Name is how Nomad knows the plugin.
	Name = "frama"
	// Topology is the segment that names the node a volume is on.
	Topology = "frama/node"
)

// Options of a plugin.
type Options struct {
	Endpoint string // path of the socket, also as unix://path
	Node     string // ID of the node
	Version  string // frama's
	Open     func() (*volume.Folder, error)
	Log      *slog.Logger
}

// Serve answers Nomad until ctx ends. The socket of an earlier process is replaced.
func Serve(ctx context.Context, o Options) error {
	path := strings.TrimPrefix(o.Endpoint, "unix://")
	if path == "" {
		return errors.New("there is no socket to listen on: Nomad gives CSI_ENDPOINT to the task of a plugin")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of an earlier plugin: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen for Nomad: %w", err)
	}
	server := grpc.NewServer()
	p := &plugin{options: o}
	spec.RegisterIdentityServer(server, p)
	spec.RegisterNodeServer(server, p)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		server.GracefulStop()
	}()
	o.Log.Info("frama serves volumes", "socket", path)
	if err := server.Serve(listener); err != nil {
		return fmt.Errorf("serve volumes: %w", err)
	}
	<-stopped
	return nil
}

type plugin struct {
	spec.UnimplementedIdentityServer
	spec.UnimplementedNodeServer
	options Options
}

func (p *plugin) GetPluginInfo(context.Context, *spec.GetPluginInfoRequest) (*spec.GetPluginInfoResponse, error) {
	return &spec.GetPluginInfoResponse{Name: Name, VendorVersion: p.options.Version}, nil
}

// GetPluginCapabilities tells Nomad that a volume is reached from its own node only.
func (p *plugin) GetPluginCapabilities(context.Context, *spec.GetPluginCapabilitiesRequest) (*spec.GetPluginCapabilitiesResponse, error) {
	return &spec.GetPluginCapabilitiesResponse{Capabilities: []*spec.PluginCapability{{
		Type: &spec.PluginCapability_Service_{Service: &spec.PluginCapability_Service{
			Type: spec.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS,
		}},
	}}}, nil
}

// Probe answers for the plugin, not for the folder: Nomad kills a plugin that says it is not ready when it starts, and does
// not start it again. A missing disk is told to whoever wants to mount from it.
func (p *plugin) Probe(context.Context, *spec.ProbeRequest) (*spec.ProbeResponse, error) {
	return &spec.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (p *plugin) NodeGetInfo(context.Context, *spec.NodeGetInfoRequest) (*spec.NodeGetInfoResponse, error) {
	return &spec.NodeGetInfoResponse{
		NodeId: p.options.Node, AccessibleTopology: &spec.Topology{Segments: map[string]string{Topology: p.options.Node}},
	}, nil
}

func (p *plugin) NodeGetCapabilities(context.Context, *spec.NodeGetCapabilitiesRequest) (*spec.NodeGetCapabilitiesResponse, error) {
	return &spec.NodeGetCapabilitiesResponse{}, nil
}

func (p *plugin) NodePublishVolume(_ context.Context, r *spec.NodePublishVolumeRequest) (*spec.NodePublishVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetTargetPath() == "" || r.GetVolumeCapability().GetMount() == nil {
		return nil, status.Error(codes.InvalidArgument, "a volume of frama is mounted as a folder: attachment_mode file-system, with a name and a target")
	}
	err := p.mount(r)
	p.log("mount", r.GetVolumeId(), r.GetTargetPath(), err)
	switch {
	case errors.Is(err, volume.ErrMissing):
		return nil, status.Error(codes.NotFound, err.Error())
	case err != nil: // Nomad would read FailedPrecondition as "published on another node"
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &spec.NodePublishVolumeResponse{}, nil
}

func (p *plugin) mount(r *spec.NodePublishVolumeRequest) error {
	folder, err := p.options.Open()
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Mount(r.GetVolumeId(), r.GetTargetPath(), r.GetReadonly())
}

func (p *plugin) NodeUnpublishVolume(_ context.Context, r *spec.NodeUnpublishVolumeRequest) (*spec.NodeUnpublishVolumeResponse, error) {
	if r.GetVolumeId() == "" || r.GetTargetPath() == "" {
		return nil, status.Error(codes.InvalidArgument, "a volume has a name and a target")
	}
	err := volume.Unmount(r.GetTargetPath())
	p.log("unmount", r.GetVolumeId(), r.GetTargetPath(), err)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &spec.NodeUnpublishVolumeResponse{}, nil
}

func (p *plugin) log(act, id, target string, err error) {
	if err != nil {
		p.options.Log.Error(act+" a volume", "volume", id, "target", target, "error", err)
		return
	}
	p.options.Log.Info(act+" a volume", "volume", id, "target", target)
}
