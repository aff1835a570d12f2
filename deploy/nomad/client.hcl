# A Nomad client that runs instances: /etc/nomad.d/client.hcl on each machine of the cluster with Docker. If the machine is
# also a server, server.hcl repeats the first part with the same values.

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

  # Nomad's dynamic ports. The ports of instances (ports.min to ports.max of frama, 10000 to 19999) must lie outside this range,
  # and both outside the kernel's ephemeral range (net.ipv4.ip_local_port_range, 32768 to 60999).
  min_dynamic_port = 20000
  max_dynamic_port = 32000

  # Applications need up to 4 minutes to flush their data; by default they are killed after 30 seconds.
  max_kill_timeout = "5m"

  # For the system, the engine and Nomad. Reserve more if databases run on this machine.
  reserved {
    cpu    = 500  # MHz
    memory = 1024 # MiB
    disk   = 4096 # MiB
  }

  # Applications whose tasks share a network need the package containernetworking-plugins.
  cni_path       = "/usr/lib/cni"
  cni_config_dir = "/opt/cni/config"
}

plugin "docker" {
  config {
    allow_privileged = false
    pids_limit       = 4096 # maximum per container; frama sets 1024

    # No bind mounts: instances store their data on frama's volumes.
    volumes {
      enabled = false
    }

    gc {
      image     = false # else images unused for 3 minutes are removed and pulled again. Weekly: docker image prune
      container = true

      # Do not remove containers of another agent on the same engine.
      dangling_containers {
        enabled = false
      }
    }
  }
}

# Only for frama's own jobs on each machine, in the namespace frama-node: volumes and firewall. frama's token cannot submit
# jobs there, and frama's policy refuses raw_exec to instances.
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
