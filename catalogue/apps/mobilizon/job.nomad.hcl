# Mobilizon in production: the upstream image, its events in a PostgreSQL database with PostGIS.
#
# The extensions must exist already, since only a superuser can create postgis. The first start migrates the database.
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var host=… -var port=20000 -var volume=… job.nomad.hcl

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

variable "cpu" {
  type    = number # MHz
  default = 300
}

variable "memory" {
  type    = number # MiB
  default = 512
}

variable "memory_max" {
  type    = number # MiB
  default = 1024
}

job "mobilizon" {
  id   = "${var.job_id}"
  type = "service"

  update {
    healthy_deadline  = "10m"
    progress_deadline = "15m"
  }

  group "app" {
    network {
      port "http" {
        static = var.port
        to     = 4000
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
        path     = "/.well-known/nodeinfo/2.1"
        interval = "15s"
        timeout  = "5s"
      }
    }

    task "mobilizon" {
      driver = "docker"

      config {
        image = "docker.io/kaihuri/mobilizon:5.2.4"
        ports = ["http"]
      }

      # Only the uploads: time zones and their map are in a folder of the image beside them.
      volume_mount {
        volume      = "data"
        destination = "/var/lib/mobilizon/uploads"
      }

      env {
        MOBILIZON_INSTANCE_HOST               = var.host
        MOBILIZON_INSTANCE_PORT               = "4000"
        MOBILIZON_INSTANCE_LISTEN_IP          = "0.0.0.0"
        MOBILIZON_INSTANCE_REGISTRATIONS_OPEN = "false"
        MOBILIZON_LOGLEVEL                    = "error"
        MOBILIZON_UPLOADS                     = "/var/lib/mobilizon/uploads"
        MOBILIZON_UPLOADS_EXPORTS             = "/var/lib/mobilizon/uploads/exports"
      }

      # User input and secrets are quoted as JSON, which env files accept.
      template {
        destination = "secrets/mobilizon.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          MOBILIZON_INSTANCE_NAME={{ .title.Value | toJSON }}
          MOBILIZON_INSTANCE_DEFAULT_LANGUAGE={{ .language.Value | toJSON }}
          MOBILIZON_INSTANCE_EMAIL={{ .smtp_from.Value | toJSON }}
          MOBILIZON_REPLY_EMAIL={{ .admin_email.Value | toJSON }}
          MOBILIZON_INSTANCE_SECRET_KEY_BASE={{ .secret_key_base.Value | toJSON }}
          MOBILIZON_INSTANCE_SECRET_KEY={{ .token_key.Value | toJSON }}
          MOBILIZON_DATABASE_HOST={{ .db_host.Value | toJSON }}
          MOBILIZON_DATABASE_PORT={{ .db_port.Value | toJSON }}
          MOBILIZON_DATABASE_DBNAME={{ .db_name.Value | toJSON }}
          MOBILIZON_DATABASE_USERNAME={{ .db_user.Value | toJSON }}
          MOBILIZON_DATABASE_PASSWORD={{ .db_password.Value | toJSON }}
          MOBILIZON_SMTP_SERVER={{ .smtp_host.Value | toJSON }}
          MOBILIZON_SMTP_PORT={{ .smtp_port.Value | toJSON }}
          MOBILIZON_SMTP_SSL={{ if eq .smtp_port.Value "465" }}true{{ else }}false{{ end }}
          {{ if .smtp_user.Value -}}
          MOBILIZON_SMTP_USERNAME={{ .smtp_user.Value | toJSON }}
          MOBILIZON_SMTP_PASSWORD={{ .smtp_password.Value | toJSON }}
          {{ end -}}
          FRAMA_ADMIN_EMAIL={{ .admin_email.Value | toJSON }}
          FRAMA_ADMIN_PASSWORD={{ .admin_password.Value | toJSON }}
          {{ end -}}
        EOT
      }

      # Runs once, in the running node, which reads its own environment: no secret is a command argument, and no part of
      # an address is evaluated as code. An existing account is left alone.
      template {
        destination = "local/administrator.exs"
        data        = <<-EOT
          email = System.fetch_env!("FRAMA_ADMIN_EMAIL")

          if match?({:error, _}, Mobilizon.Users.get_user_by_email(email)) do
            Mix.Tasks.Mobilizon.Users.New.run([
              email,
              "--admin",
              "--password",
              System.fetch_env!("FRAMA_ADMIN_PASSWORD"),
              "--profile-username",
              "admin",
              "--profile-display-name",
              System.fetch_env!("MOBILIZON_INSTANCE_NAME")
            ])
          end

          {:ok, _user} = Mobilizon.Users.get_user_by_email(email)
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
