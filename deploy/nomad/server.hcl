# A Nomad server for frama: /etc/nomad.d/server.hcl. One machine can be server and client, with both files. A cluster needs
# three servers to survive the loss of one. docs/operate/install.md and the tests use these files unchanged.

datacenter = "dc1"
data_dir   = "/opt/nomad/data" # mode 700, owner root: it contains secrets of instances

# All addresses of the machine. Only the machines of the cluster and frama may reach 4646 to 4648: see nomad.nft.
bind_addr = "0.0.0.0"

# The machine's address towards the internet. If the cluster has a network of its own, use the address there.
advertise {
  http = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
  rpc  = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
  serf = "{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | limit 1 | attr \"address\" }}"
}

disable_update_check = true # no calls home

server {
  enabled          = true
  bootstrap_expect = 1 # with three servers 3, and in each server_join { retry_join = ["…", "…", "…"] }

  # Only effective at the first start of a cluster. Later: nomad operator scheduler set-config -memory-oversubscription=true
  default_scheduler_config {
    memory_oversubscription_enabled = true # instances reserve little and can grow to memory_max
  }
}

# Without ACL every job can read every secret.
acl {
  enabled = true
}

# mTLS between agents and clients. The certificate depends on the machine's role: nomad tls cert create -server or -client.
tls {
  http = true
  rpc  = true

  ca_file   = "/etc/nomad.d/tls/ca.pem"
  cert_file = "/etc/nomad.d/tls/agent.pem"
  key_file  = "/etc/nomad.d/tls/agent-key.pem"

  verify_server_hostname = true # a client's certificate cannot act as a server's
  verify_https_client    = true # the API requires a client certificate, also from containers
}

# For Prometheus: GET /v1/metrics?format=prometheus with a token that has agent:read. Metrics per job would multiply the
# server's memory.
telemetry {
  prometheus_metrics         = true
  publish_node_metrics       = true
  publish_allocation_metrics = false
  prefix_filter              = ["-nomad.nomad.job_summary", "-nomad.nomad.job_status", "-nomad.client.allocs"]
}
