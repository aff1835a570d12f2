# A Nomad server for frama: /etc/nomad.d/server.hcl. One machine may be server and client at once, with both files; a cluster
# that is to survive the loss of a server has three. docs/operate/install.md uses these files as they are, and so do the tests.

datacenter = "dc1"
data_dir   = "/opt/nomad/data" # mode 700, root: secrets of instances pass through it

# Every address of the machine. Only the machines of the cluster and frama may reach 4646 to 4648: see nomad.nft.
bind_addr = "0.0.0.0"

# The address that the machine uses towards the internet. Name another one here where the cluster has a network of its own.
advertise {
  http = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
  rpc  = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
  serf = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
}

disable_update_check = true # nothing calls home

server {
  enabled          = true
  bootstrap_expect = 1 # 3 with three servers, each with server_join { retry_join = ["…", "…", "…"] }

  # For a cluster that starts for the first time. Later: nomad operator scheduler set-config -memory-oversubscription=true
  default_scheduler_config {
    memory_oversubscription_enabled = true # instances reserve little and may grow to memory_max
  }
}

# Without it every job can read every secret.
acl {
  enabled = true
}

# Peers and callers prove who they are. The certificate is that of the machine's role: nomad tls cert create -server or -client.
tls {
  http = true
  rpc  = true

  ca_file   = "/etc/nomad.d/tls/ca.pem"
  cert_file = "/etc/nomad.d/tls/agent.pem"
  key_file  = "/etc/nomad.d/tls/agent-key.pem"

  verify_server_hostname = true # a client's certificate does not make a server
  verify_https_client    = true # nobody without a certificate asks the API, containers included
}

# For Prometheus: GET /v1/metrics?format=prometheus with a token that has agent:read. Figures of each job would multiply the
# server's memory.
telemetry {
  prometheus_metrics         = true
  publish_node_metrics       = true
  publish_allocation_metrics = false
  prefix_filter              = ["-nomad.nomad.job_summary", "-nomad.nomad.job_status", "-nomad.client.allocs"]
}
