# The same as a plain process, for development and tests.

variable "job_id" {
  type = string
}

variable "port" {
  type = number
}

variable "volume" {
  type = string
}

job "toy" {
  id   = "${var.job_id}"
  type = "service"

  group "app" {
    network {
      port "http" {
        static = var.port
      }
    }

    volume "data" {
      source = var.volume
    }

    volume "usr" {
      type      = "host"
      source    = "frama-usr"
      read_only = true
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/"
        interval = "2s"
        timeout  = "2s"
      }
    }

    task "toy" {
      driver = "exec"

      config {
        command = "/usr/bin/env"
        args    = ["toy", "--config", "${NOMAD_SECRETS_DIR}/toy.json"]
      }

      volume_mount {
        volume      = "data"
        destination = "/data"
      }

      volume_mount {
        volume      = "usr"
        destination = "/usr"
        read_only   = true
      }

      template {
        destination = "secrets/toy.json"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          { "title": {{ .title.Value | toJSON }}, "port": {{ env "NOMAD_PORT_http" }} }
          {{ end -}}
        EOT
      }
    }
  }
}
