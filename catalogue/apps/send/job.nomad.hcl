# Send in production: the upstream image, metadata of files in a Redis task, the encrypted files on the volume. Redis is
# its only database, so it logs every change.
#
# Anybody can upload, by design. Sizes and retention times are small, and every page gives an abuse contact.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20000 -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "url" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "plan" {
  type    = string
  default = "starter"
}

variable "cpu" {
  type    = number # MHz
  default = 200
}

variable "memory" {
  type    = number # MiB
  default = 256
}

variable "memory_max" {
  type    = number # MiB
  default = 768
}

# The reservation is for both tasks together.
locals {
  redis_cpu        = floor(var.cpu / 4)
  redis_memory     = floor(var.memory / 4)
  redis_memory_max = floor(var.memory_max / 4)

  # Bytes of one upload.
  file_size = lookup({ starter = 536870912, standard = 2147483648, large = 2684354560 }, var.plan, 536870912)
}

job "send" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    # The tasks reach each other on 127.0.0.1.
    network {
      mode = "bridge"
      port "http" {
        static = var.port
        to     = 1443
      }
    }

    volume "data" {
      source = var.volume
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      # Also checks Redis.
      check {
        type     = "http"
        path     = "/__heartbeat__"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "redis" {
      driver = "docker"
      user   = "1000:1000"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image   = "docker.io/valkey/valkey:8.1.10-alpine"
        command = "sh"
        args = ["-c", <<-EOT
          mkdir -p /data/redis
          exec valkey-server --bind 127.0.0.1 --dir /data/redis --appendonly yes --save ''
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      resources {
        cpu        = local.redis_cpu
        memory     = local.redis_memory
        memory_max = local.redis_memory_max
      }

      kill_timeout = "30s"
    }

    # When a file expires, Redis forgets it, but the file stays. Upstream leaves its deletion to an external scheduled
    # job. The first part of a file's name is its lifetime in days.
    task "send" {
      driver = "docker"
      user   = "1000:1000"

      config {
        image   = "registry.gitlab.com/timvisee/send:v3.4.27"
        ports   = ["http"]
        command = "sh"
        args = ["-c", <<-EOT
          while sleep 3600; do
            for days in 1 2 3 4 5 6 7; do
              find /data/files -type f -name "$days-*" -mmin "+$((days * 1440 + 1440))" -delete
            done
          done &
          exec node server/bin/prod.js
        EOT
        ]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        NODE_ENV               = "production"
        PORT                   = "1443"
        BASE_URL               = var.url
        REDIS_HOST             = "127.0.0.1"
        REDIS_PORT             = "6379"
        FILE_DIR               = "/data/files"
        MAX_FILE_SIZE          = format("%d", local.file_size)
        MAX_EXPIRE_SECONDS     = "604800"
        DEFAULT_EXPIRE_SECONDS = "86400"
        EXPIRE_TIMES_SECONDS   = "86400,3600,259200,604800"
        MAX_DOWNLOADS          = "50"
        DOWNLOAD_COUNTS        = "5,1,2,10,20,50"
        DEFAULT_DOWNLOADS      = "5"
      }

      # User input is quoted as JSON, which env files accept.
      template {
        destination = "secrets/send.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          SEND_FOOTER_DMCA_URL={{ printf "mailto:%s" .contact.Value | toJSON }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = var.cpu - local.redis_cpu
        memory     = var.memory - local.redis_memory
        memory_max = var.memory_max - local.redis_memory_max
      }

      kill_timeout = "30s"
    }
  }
}
