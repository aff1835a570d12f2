# For /etc/nomad.d/ on a machine whose volumes are on a file system of their own. Where they are below Nomad's data_dir
# (host_volumes and host_volume_plugins), nothing of this is needed. The systemd unit of Nomad's packages orders itself
# after local file systems; for a mount over the network add RequiresMountsFor=/srv/volumes to it.

client {
  host_volumes_dir       = "/srv/volumes"
  host_volume_plugin_dir = "/opt/nomad/host_volume_plugins"
}
