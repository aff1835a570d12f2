# Pollaris in production: an image that the host builds (see Containerfile), all of its data in a PostgreSQL database. A
# worker task sends mail and deletes old polls; a task before both migrates the database.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20005 -var ingress=… -var registry=registry.example.org job.nomad.hcl

variable "job_id" {
  type = string
}

variable "url" {
  type = string
}

variable "port" {
  type = number
}

variable "ingress" {
  type = string
}

variable "registry" {
  type = string
}

variable "cpu" {
  type    = number # MHz
  default = 150
}

variable "memory" {
  type    = number # MiB
  default = 256
}

variable "memory_max" {
  type    = number # MiB
  default = 512
}

# The reservation is for all tasks together, including the one that ends before the others start.
locals {
  side_cpu        = floor(var.cpu / 4)
  side_memory     = floor(var.memory / 4)
  side_memory_max = floor(var.memory_max / 4)

  # Shared by all three tasks. Symfony expands %…% in the database URL, hence %%, and copies the sender's name unquoted
  # into a header, hence the removal of special characters.
  environment = <<-EOT
    {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
    APP_SECRET={{ .app_secret.Value | toJSON }}
    APP_NAME={{ .title.Value | toJSON }}
    {{- $user := .db_user.Value | urlquery | replaceAll "%" "%%" }}
    {{- $password := .db_password.Value | urlquery | replaceAll "%" "%%" }}
    {{- $name := .db_name.Value | urlquery | replaceAll "%" "%%" }}
    {{- $server := printf "%s:%s" .db_host.Value .db_port.Value }}
    DATABASE_URL={{ printf "postgresql://%s:%s@%s/%s?serverVersion=15&charset=utf8" $user $password $server $name | toJSON }}
    PGSSLMODE={{ .db_sslmode.Value | toJSON }}
    PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
    {{- $scheme := "smtp" }}{{ if eq .smtp_port.Value "465" }}{{ $scheme = "smtps" }}{{ end }}
    {{- $account := "" }}
    {{- if .smtp_user.Value }}{{ $account = printf "%s:%s@" (.smtp_user.Value | urlquery) (.smtp_password.Value | urlquery) }}{{ end }}
    MAILER_DSN={{ printf "%s://%s%s:%s" $scheme $account .smtp_host.Value .smtp_port.Value | toJSON }}
    MAILER_FROM={{ .smtp_from.Value | toJSON }}
    MAILER_FROM_NAME={{ .title.Value | regexReplaceAll "[^\\pL\\pN '.-]" " " | toJSON }}
    {{ end -}}
  EOT
}

job "pollaris" {
  id   = "${var.job_id}"
  type = "service"

  # Database migrations can take a while.
  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    # The worker exits every hour, as upstream intends, and is restarted.
    restart {
      attempts = 5
      interval = "10m"
      delay    = "5s"
      mode     = "fail"
    }

    network {
      port "http" {
        static = var.port
        to     = 8080
      }
    }

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "migrate" {
      driver = "docker"
      user   = "www-data"

      lifecycle {
        hook = "prestart"
      }

      config {
        image   = "${var.registry}/pollaris:1.2.3"
        command = "php"
        args    = ["bin/console", "doctrine:migrations:migrate", "--no-interaction", "--allow-no-migration"]
      }

      env {
        APP_ENV                 = "prod"
        APP_BASE_URL            = var.url
        MESSENGER_TRANSPORT_DSN = "doctrine://default?auto_setup=0"
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
        destination = "secrets/pollaris.env"
        env         = true
        data        = local.environment
      }

      resources {
        cpu        = local.side_cpu
        memory     = local.side_memory
        memory_max = local.side_memory_max
      }
    }

    task "app" {
      driver = "docker"
      user   = "www-data"

      config {
        image   = "${var.registry}/pollaris:1.2.3"
        ports   = ["http"]
        command = "apache2-foreground"
        args    = ["-c", "Include /local/apache.conf"]
      }

      env {
        APP_ENV                 = "prod"
        APP_BASE_URL            = var.url
        MESSENGER_TRANSPORT_DSN = "doctrine://default?auto_setup=0"
        SYMFONY_TRUSTED_PROXIES = "127.0.0.1,${replace(var.ingress, " ", ",")}"
        SYMFONY_TRUSTED_HEADERS = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port"
        POLL_EXPIRES_COMPLETED  = "6 months"
        POLL_EXPIRES_INCOMPLETE = "1 month"
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
        destination = "secrets/pollaris.env"
        env         = true
        data        = local.environment
      }

      # An Apache process takes up to 30 MiB: limit their number to what fits.
      template {
        destination = "local/apache.conf"
        perms       = "0444"
        data        = <<-EOT
          <IfModule mpm_prefork_module>
            StartServers 1
            MinSpareServers 1
            MaxSpareServers 3
            MaxRequestWorkers ${max(4, floor(var.memory_max / 2 / 32))}
            MaxConnectionsPerChild 1000
          </IfModule>
        EOT
      }

      resources {
        cpu        = var.cpu - 2 * local.side_cpu
        memory     = var.memory - 2 * local.side_memory
        memory_max = var.memory_max - 2 * local.side_memory_max
      }

      kill_timeout = "30s"
    }

    task "worker" {
      driver = "docker"
      user   = "www-data"

      config {
        image   = "${var.registry}/pollaris:1.2.3"
        command = "php"
        args    = ["bin/console", "messenger:consume", "async", "scheduler_default", "--time-limit=3600"]
      }

      env {
        APP_ENV                 = "prod"
        APP_BASE_URL            = var.url
        MESSENGER_TRANSPORT_DSN = "doctrine://default?auto_setup=0"
        POLL_EXPIRES_COMPLETED  = "6 months"
        POLL_EXPIRES_INCOMPLETE = "1 month"
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
        destination = "secrets/pollaris.env"
        env         = true
        data        = local.environment
      }

      resources {
        cpu        = local.side_cpu
        memory     = local.side_memory
        memory_max = local.side_memory_max
      }

      kill_signal  = "SIGTERM" # the image's own stop signal is for Apache
      kill_timeout = "30s"
    }
  }
}
