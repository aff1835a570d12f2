# PeerTube in production: the upstream image, its accounts in a PostgreSQL database, its job queue in a Redis task, its
# videos on the volume.
#
# The first start migrates the database. frama sets ID, namespace, meta, node, update and disconnect blocks. By hand:
#   nomad job run -var job_id=… -var host=… -var port=20000 -var ingress=… -var volume=… job.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

variable "ingress" {
  type = string
}

variable "plan" {
  type    = string
  default = "starter"
}

variable "cpu" {
  type    = number # MHz
  default = 1000
}

variable "memory" {
  type    = number # MiB
  default = 1024
}

variable "memory_max" {
  type    = number # MiB
  default = 2048
}

# The reservation is for both tasks together.
locals {
  redis_cpu        = floor(var.cpu / 10)
  redis_memory     = floor(var.memory / 8)
  redis_memory_max = floor(var.memory_max / 8)

  # Bytes of video that an account can upload; administrators can change it per account.
  video_quota = lookup({ starter = 2147483648, standard = 5368709120, large = 10737418240 }, var.plan, 2147483648)
}

job "peertube" {
  id   = "${var.job_id}"
  type = "service"

  update {
    healthy_deadline  = "15m"
    progress_deadline = "20m"
  }

  group "app" {
    # The tasks reach each other on 127.0.0.1.
    network {
      mode = "bridge"
      port "http" {
        static = var.port
        to     = 9000
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
        path     = "/api/v1/ping"
        interval = "15s"
        timeout  = "5s"
      }
    }

    task "redis" {
      driver = "docker"
      user   = "999:999"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image   = "docker.io/valkey/valkey:8.1.10-alpine"
        command = "sh"
        # Queued transcoding and deliveries must survive a restart. PeerTube's folder of settings must also exist before
        # PeerTube writes to it.
        args = ["-c", <<-EOT
          mkdir -p /data/redis /data/config
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

    task "peertube" {
      driver = "docker"

      config {
        image = "docker.io/chocobozzz/peertube:v8.2.4"
        ports = ["http"]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        # Changes by administrators are written to PEERTUBE_LOCAL_CONFIG, which the image has on a second volume. Later
        # folders override earlier ones, so their settings win.
        NODE_CONFIG_DIR       = "/app/config:/app/support/docker/production/config:/local:/data/config"
        PEERTUBE_LOCAL_CONFIG = "/data/config"

        PEERTUBE_WEBSERVER_HOSTNAME  = var.host
        PEERTUBE_WEBSERVER_PORT      = "443"
        PEERTUBE_WEBSERVER_HTTPS     = "true"
        PEERTUBE_TRUST_PROXY         = jsonencode(concat(["loopback"], split(" ", var.ingress)))
        PEERTUBE_REDIS_HOSTNAME      = "127.0.0.1"
        PEERTUBE_REDIS_PORT          = "6379"
        PEERTUBE_SIGNUP_ENABLED      = "false"
        PEERTUBE_USER_VIDEO_QUOTA    = format("%d", local.video_quota)
        PEERTUBE_TRANSCODING_THREADS = "1"
        PEERTUBE_LOG_PING_REQUESTS   = "false"

        # Importing videos from elsewhere would let any account fill the disk, and downloads programs at run time.
        PEERTUBE_IMPORT_VIDEOS_HTTP    = "false"
        PEERTUBE_IMPORT_VIDEOS_TORRENT = "false"
      }

      # No calls to third parties: frama manages versions.
      template {
        destination = "local/local.yaml"
        data        = <<-EOT
          peertube:
            check_latest_version:
              enabled: false
        EOT
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      # User input and secrets are quoted as JSON, which env files accept.
      template {
        destination = "secrets/peertube.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          PEERTUBE_SECRET={{ .secret_key.Value | toJSON }}
          PEERTUBE_INSTANCE_NAME={{ .title.Value | toJSON }}
          PEERTUBE_ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          PT_INITIAL_ROOT_PASSWORD={{ .admin_password.Value | toJSON }}
          PEERTUBE_DB_HOSTNAME={{ .db_host.Value | toJSON }}
          PEERTUBE_DB_PORT={{ .db_port.Value | toJSON }}
          PEERTUBE_DB_NAME={{ .db_name.Value | toJSON }}
          PEERTUBE_DB_USERNAME={{ .db_user.Value | toJSON }}
          PEERTUBE_DB_PASSWORD={{ .db_password.Value | toJSON }}
          PEERTUBE_DB_SSL={{ if eq .db_sslmode.Value "disable" }}false{{ else }}true{{ end }}
          NODE_EXTRA_CA_CERTS="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          PEERTUBE_SMTP_HOSTNAME={{ .smtp_host.Value | toJSON }}
          PEERTUBE_SMTP_PORT={{ .smtp_port.Value | toJSON }}
          PEERTUBE_SMTP_USERNAME={{ .smtp_user.Value | toJSON }}
          PEERTUBE_SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
          PEERTUBE_SMTP_FROM={{ .smtp_from.Value | toJSON }}
          PEERTUBE_SMTP_TLS={{ if eq .smtp_port.Value "465" }}true{{ else }}false{{ end }}
          {{ end -}}
        EOT
      }

      resources {
        cpu        = var.cpu - local.redis_cpu
        memory     = var.memory - local.redis_memory
        memory_max = var.memory_max - local.redis_memory_max
      }

      kill_timeout = "1m"
    }
  }
}
