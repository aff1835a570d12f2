# frama's volume plugin, on every machine of the cluster. An administrator registers it once, in a namespace of its own in
# which frama can run commands (docs/operate/volumes.md):
#
#   nomad namespace apply frama-node
#   nomad job run -var folder=/srv/volumes frama-volumes.nomad.hcl
#
# raw_exec must be enabled on the clients: the plugin mounts folders as root. The namespace is only for frama's jobs on each
# machine, and only administrators may submit jobs there.

variable "folder" {
  type        = string
  default     = "/srv/volumes"
  description = "folder of the volumes; $${meta.…} if machines differ"
}

variable "plain" {
  type        = bool
  default     = false
  description = "volumes without limits, for file systems without quotas"
}

variable "frama" {
  type        = string
  default     = "/usr/local/bin/frama"
  description = "the binary, at the same place on every machine"
}

variable "client_dir" {
  type        = string
  default     = "/opt/nomad/data/client"
  description = "state_dir of Nomad's clients: data_dir/client unless it is set"
}

variable "namespace" {
  type    = string
  default = "frama-node"
}

variable "datacenters" {
  type    = list(string)
  default = ["*"]
}

job "frama-volumes" {
  namespace   = var.namespace
  type        = "system"
  datacenters = var.datacenters
  node_pool   = "all"
  priority    = 90

  group "volumes" {
    restart {
      attempts = 10
      interval = "1m"
      delay    = "1s"
      mode     = "delay"
    }

    task "volumes" {
      driver = "raw_exec"

      config {
        command = var.frama
        args    = ["volume", "serve"]
      }

      # The commands that frama runs in this task read these too.
      env {
        FRAMA_VOLUME_FOLDER = var.folder
        FRAMA_VOLUME_PLAIN  = var.plain
        FRAMA_VOLUME_NODE   = "${node.unique.id}"
      }

      csi_plugin {
        id                     = "frama"
        type                   = "node"
        mount_dir              = "/csi"
        stage_publish_base_dir = "${var.client_dir}/csi/node/frama"
      }

      resources {
        cpu    = 50
        memory = 64
      }

      kill_timeout = "10s"
    }
  }
}
