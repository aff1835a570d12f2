# A Nomad client that runs instances: /etc/nomad.d/client.hcl on each machine of the cluster with Docker. Where the machine is
# a server as well, server.hcl says the first part too, and the same.

datacenter = "dc1"
data_dir   = "/opt/nomad/data"
bind_addr  = "0.0.0.0"

advertise {
  http = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
  rpc  = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
  serf = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
}

disable_update_check = true

client {
  enabled = true
  servers = ["127.0.0.1:4647"] # all servers of the cluster

  # Ports that Nomad gives to jobs by itself. Those of instances, ports.min to ports.max of frama (10000 to 19999), must lie
  # outside, and both outside of the kernel's own (net.ipv4.ip_local_port_range, 32768 to 60999).
  min_dynamic_port = 20000
  max_dynamic_port = 32000

  # An application asks for up to 4 minutes to write what it holds; without this it is killed after 30 seconds.
  max_kill_timeout = "5m"

  # For the machine itself: the system, the engine and Nomad. More where databases run on it as well.
  reserved {
    cpu    = 500  # MHz
    memory = 1024 # MiB
    disk   = 4096 # MiB
  }

  # Applications whose tasks share a network need the plugins of the package containernetworking-plugins.
  cni_path       = "/usr/lib/cni"
  cni_config_dir = "/opt/cni/config"
}

plugin "docker" {
  config {
    allow_privileged = false
    pids_limit       = 4096 # the most that a container may ask for; frama gives each 1024

    # No folder of the machine in a container. What instances keep comes by volumes of frama's own.
    volumes {
      enabled = false
    }

    gc {
      image     = false # an image that nobody uses for 3 minutes would be pulled again. Weekly: docker image prune
      container = true

      # Another agent's containers on the same engine are not ours to remove.
      dangling_containers {
        enabled = false
      }
    }
  }
}

# Only for frama's own jobs of each machine, in the namespace frama-node: volumes and firewall. The policy of frama's token
# lets nobody submit jobs there, and frama refuses it to instances.
plugin "raw_exec" {
  config {
    enabled = true
  }
}

acl {
  enabled = true
}

tls {
  http = true
  rpc  = true

  ca_file   = "/etc/nomad.d/tls/ca.pem"
  cert_file = "/etc/nomad.d/tls/agent.pem"
  key_file  = "/etc/nomad.d/tls/agent-key.pem"

  verify_server_hostname = true
  verify_https_client    = true
}

telemetry {
  prometheus_metrics         = true
  publish_node_metrics       = true
  publish_allocation_metrics = false
  prefix_filter              = ["-nomad.nomad.job_summary", "-nomad.nomad.job_status", "-nomad.client.allocs"]
}
