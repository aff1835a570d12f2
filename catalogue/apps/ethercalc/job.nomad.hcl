# EtherCalc in production: the image of the 2026 rewrite (no Redis, one SQLite file per sheet).
#
# Two processes on one volume corrupt sheets: there is one allocation, and frama's update block stops it before the next
# one starts.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20001 -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 100
}

variable "memory" {
  type    = number # MiB
  default = 256
}

variable "memory_max" {
  type    = number # MiB
  default = 1024
}

job "ethercalc" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 8000
      }
    }

    volume "data" {
      source = var.volume
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/_health"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "ethercalc" {
      driver = "docker"
      user   = "1000"

      config {
        image           = "docker.io/audreyt/ethercalc:0.20260717.0"
        ports           = ["http"]
        readonly_rootfs = true

        mount {
          type   = "tmpfs"
          target = "/tmp"
          tmpfs_options {
            size = 67108864 # bytes
          }
        }
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        ETHERCALC_HOST               = "0.0.0.0"
        ETHERCALC_PORT               = "8000"
        ETHERCALC_DISABLE_ROOM_INDEX = "1" # sheets cannot be listed
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max
      }

      kill_timeout = "30s"
    }
  }
}
