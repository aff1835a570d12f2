# A good entry, of which each test spoils one thing.

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
  default = 512
}

variable "registry" {
  type = string
}

locals {
  helper_cpu    = floor(var.cpu / 4)
  helper_memory = floor(var.memory / 4)
}

job "toy" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      mode = "bridge"
      port "http" {
        static = var.port
        to     = 8080
      }
    }

    volume "data" {
      source = var.volume
    }

    update {
      healthy_deadline  = "10m"
      progress_deadline = "15m"
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/health"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "toy" {
      driver = "docker"
      user   = "1000"

      config {
        image           = "docker.io/example/toy:1.2.3"
        ports           = ["http"]
        readonly_rootfs = true
        command         = "sh"
        args            = ["-c", "exec toy --port 8080"]

        mount {
          # Memory: nothing else may be mounted.
          type     = "tmpfs"
          target   = "/tmp"
          readonly = false
        }
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      env {
        PUBLIC_URL  = var.url
        TRUST_PROXY = "true"
        KEY_FILE    = "/secrets/session.key"
      }

      template {
        destination = "secrets/toy.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          TITLE={{ .title.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          DATABASE_URL={{ printf "postgres://%s:%s@%s" .db_user.Value .db_password.Value .db_host.Value | toJSON }}
          SMTP_HOST={{ .smtp_host.Value | toJSON }}
          {{ end -}}
        EOT
      }

      template {
        destination = "secrets/session.key"
        data        = "{{ with nomadVar \"nomad/jobs/${var.job_id}\" }}{{ .session_key.Value }}{{ end }}"
      }

      resources {
        cpu        = var.cpu - local.helper_cpu
        memory     = var.memory - local.helper_memory
        memory_max = var.memory_max - local.helper_memory
      }

      kill_timeout = "30s"
    }

    task "helper" {
      driver = "docker"

      config {
        image = "${var.registry}/helper:4.5.6"
      }

      resources {
        cpu    = local.helper_cpu
        memory = local.helper_memory
      }
    }
  }
}
