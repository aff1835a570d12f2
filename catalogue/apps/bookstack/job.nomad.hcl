# BookStack in production: linuxserver.io's image (upstream publishes none), its pages in a MySQL or MariaDB database,
# its files on the volume.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var ingress=… -var volume=… (and the others without a default) job.nomad.hcl

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

variable "ingress" {
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
  default = 768
}

job "bookstack" {
  id   = "${var.job_id}"
  type = "service"

  # The first start creates the database, which takes longer than Nomad's default deadline.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 80
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
        path     = "/status"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "bookstack" {
      driver = "docker"

      config {
        image = "lscr.io/linuxserver/bookstack:v26.05.3-ls280"
        ports = ["http"]
      }

      volume_mount {
        volume      = "data"
        destination = "/config"
      }

      env {
        PUID                      = "1000"
        PGID                      = "1000"
        TZ                        = "Europe/Paris"
        APP_URL                   = var.url
        APP_PROXIES               = replace(var.ingress, " ", ",")
        APP_DEBUG                 = "false"
        SESSION_SECURE_COOKIE     = "true"
        DISABLE_EXTERNAL_SERVICES = "true" # neither Gravatar nor diagrams.net
        QUEUE_CONNECTION          = "database"
        FILE_UPLOAD_SIZE_LIMIT    = "50" # MB
        REVISION_LIMIT            = "50"
        MAIL_DRIVER               = "smtp"
      }

      # CA of the database's certificate; empty if none is declared.
      template {
        destination = "secrets/db-ca.pem"
        perms       = "0444"
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" }}{{ .db_ca.Value }}{{ end }}
        EOT
      }

      template {
        destination = "secrets/bookstack.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          APP_KEY="base64:{{ .app_key.Value }}"
          APP_LANG={{ .language.Value | toJSON }}
          DB_HOST={{ .db_host.Value | toJSON }}
          DB_PORT={{ .db_port.Value | toJSON }}
          DB_DATABASE={{ .db_name.Value | toJSON }}
          {{ if .db_ca.Value }}MYSQL_ATTR_SSL_CA=/secrets/db-ca.pem{{ end }}
          DB_USERNAME={{ .db_user.Value | toJSON }}
          DB_PASSWORD={{ .db_password.Value | toJSON }}
          MAIL_HOST={{ .smtp_host.Value | toJSON }}
          MAIL_PORT={{ .smtp_port.Value | toJSON }}
          MAIL_ENCRYPTION={{ if eq .smtp_port.Value "465" }}tls{{ else }}null{{ end }}
          MAIL_USERNAME={{ .smtp_user.Value | toJSON }}
          MAIL_PASSWORD={{ .smtp_password.Value | toJSON }}
          MAIL_FROM={{ .smtp_from.Value | toJSON }}
          MAIL_FROM_NAME={{ .title.Value | toJSON }}
          ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
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
