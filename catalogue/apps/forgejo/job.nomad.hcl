# Forgejo in production: the upstream rootless image, accounts and issues in PostgreSQL, repositories on the volume.
#
# Git over https only: ssh would need a port that every instance on the node competes for.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var port=20000 -var ingress=… -var volume=… (and the others without a default) job.nomad.hcl

variable "job_id" {
  type = string
}

variable "host" {
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
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 384
}

variable "memory_max" {
  type    = number # MiB
  default = 1024
}

variable "plan" {
  type    = string
  default = "starter"
}

# Quota of an account or organisation. Plans that the host added use the middle value.
locals {
  quota = lookup({ starter = "500M", standard = "1G", large = "5G" }, var.plan, "1G")
}

job "forgejo" {
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
        to     = 3000
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
        path     = "/api/healthz"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "forgejo" {
      driver = "docker"

      config {
        image = "codeberg.org/forgejo/forgejo:15.0.9-rootless"
        ports = ["http"]
      }

      # Repositories, attachments, and app.ini with keys that Forgejo generates (OAuth, LFS).
      volume_mount {
        volume      = "data"
        destination = "/var/lib/gitea"
      }

      env {
        GITEA_APP_INI                                    = "/var/lib/gitea/custom/conf/app.ini"
        FORGEJO__DEFAULT__RUN_MODE                       = "prod"
        FORGEJO__server__DOMAIN                          = var.host
        FORGEJO__server__ROOT_URL                        = "${var.url}/"
        FORGEJO__server__HTTP_PORT                       = "3000"
        FORGEJO__server__DISABLE_SSH                     = "true"
        FORGEJO__server__OFFLINE_MODE                    = "true" # no avatars from third parties
        FORGEJO__server__LFS_START_SERVER                = "true"
        FORGEJO__database__DB_TYPE                       = "postgres"
        FORGEJO__security__INSTALL_LOCK                  = "true" # disables the page that creates the first administrator
        FORGEJO__security__REVERSE_PROXY_LIMIT           = "1"
        FORGEJO__security__REVERSE_PROXY_TRUSTED_PROXIES = replace(var.ingress, " ", ",")
        FORGEJO__service__DISABLE_REGISTRATION           = "true"
        FORGEJO__service__DEFAULT_KEEP_EMAIL_PRIVATE     = "true"
        FORGEJO__service__ENABLE_NOTIFY_MAIL             = "true"
        FORGEJO__openid__ENABLE_OPENID_SIGNIN            = "false"
        FORGEJO__picture__DISABLE_GRAVATAR               = "true"
        FORGEJO__session__PROVIDER                       = "db"
        FORGEJO__session__COOKIE_SECURE                  = "true"
        FORGEJO__log__MODE                               = "console"
        FORGEJO__log__LEVEL                              = "warn"
        FORGEJO__actions__ENABLED                        = "false" # there are no runners
        FORGEJO__cron_0X2E_update_checker__ENABLED       = "false" # frama manages versions
        FORGEJO__repository__DEFAULT_PRIVATE             = "last"
        FORGEJO__quota__ENABLED                          = "true"
        FORGEJO__mailer__ENABLED                         = "true"
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
        destination = "secrets/forgejo.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          FORGEJO__quota_0X2E_default__TOTAL={{ if .quota_stopped }}{{ if eq .quota_stopped.Value "true" }}0{{ else }}${local.quota}{{ end }}{{ else }}${local.quota}{{ end }}
          FORGEJO__DEFAULT__APP_NAME={{ .title.Value | toJSON }}
          FORGEJO__i18n__LANGS={{ if eq .language.Value "fr" }}fr-FR,en-US{{ else }}en-US,fr-FR{{ end }}
          FORGEJO__i18n__NAMES={{ if eq .language.Value "fr" }}Français,English{{ else }}English,Français{{ end }}
          FORGEJO__database__HOST="{{ .db_host.Value }}:{{ .db_port.Value }}"
          FORGEJO__database__NAME={{ .db_name.Value | toJSON }}
          FORGEJO__database__USER={{ .db_user.Value | toJSON }}
          FORGEJO__database__PASSWD={{ .db_password.Value | toJSON }}
          FORGEJO__database__SSL_MODE={{ .db_sslmode.Value | toJSON }}
          PGSSLROOTCERT="{{ if .db_ca.Value }}/secrets/db-ca.pem{{ end }}"
          FORGEJO__security__SECRET_KEY={{ .secret_key.Value | toJSON }}
          FORGEJO__security__INTERNAL_TOKEN={{ .internal_token.Value | toJSON }}
          FORGEJO__mailer__PROTOCOL={{ if eq .smtp_port.Value "465" }}smtps{{ else }}smtp+starttls{{ end }}
          FORGEJO__mailer__SMTP_ADDR={{ .smtp_host.Value | toJSON }}
          FORGEJO__mailer__SMTP_PORT={{ .smtp_port.Value | toJSON }}
          FORGEJO__mailer__USER={{ .smtp_user.Value | toJSON }}
          FORGEJO__mailer__PASSWD={{ .smtp_password.Value | toJSON }}
          FORGEJO__mailer__FROM={{ .smtp_from.Value | toJSON }}
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

      kill_timeout = "60s" # for pushes in progress
    }
  }
}
