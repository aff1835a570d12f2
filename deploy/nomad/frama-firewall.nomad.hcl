# The firewall of instances, on every machine of the cluster. An administrator registers it, and registers it again whenever
# backing servers, ingress nodes or [firewall] change in frama's configuration (docs/operate/firewall.md):
#
#   nomad namespace apply frama-node
#   nomad job run -var config="$(frama firewall config)" frama-firewall.nomad.hcl
#
# raw_exec must be enabled on the clients: the job sets rules as root, with nft (package nftables). Only administrators may
# submit jobs in this namespace.

variable "config" {
  type        = string
  description = "output of frama firewall config"
}

variable "frama" {
  type        = string
  default     = "/usr/local/bin/frama"
  description = "the binary, at the same place on every machine"
}

variable "namespace" {
  type    = string
  default = "frama-node"
}

variable "datacenters" {
  type    = list(string)
  default = ["*"]
}

job "frama-firewall" {
  namespace   = var.namespace
  type        = "system"
  datacenters = var.datacenters
  node_pool   = "all"
  priority    = 95 # before any instance

  group "firewall" {
    restart {
      attempts = 10
      interval = "1m"
      delay    = "1s"
      mode     = "delay"
    }

    task "firewall" {
      driver = "raw_exec"

      config {
        command = var.frama
        args    = ["firewall", "serve", "${NOMAD_TASK_DIR}/firewall.json"]
      }

      template {
        destination = "local/firewall.json"
        data        = var.config
      }

      resources {
        cpu    = 20
        memory = 48
      }

      kill_timeout = "5s"
    }
  }
}
