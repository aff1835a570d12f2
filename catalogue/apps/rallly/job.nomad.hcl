# Rallly in production: the upstream image, all of its data in a PostgreSQL database, which it migrates at its start.
# Without a bucket, people cannot upload a profile image; nothing else is missing.
#
# frama sets ID, namespace, meta, node, update and disconnect blocks. To run it by hand:
#   nomad job run -var job_id=… -var url=https://… -var port=20004 job.nomad.hcl

variable "job_id" {
  type = string
}

variable "url" {
  type = string
}

variable "port" {
  type = number
}

variable "cpu" {
  type    = number # MHz
  default = 200
}

variable "memory" {
  type    = number # MiB
  default = 384
}

variable "memory_max" {
  type    = number # MiB
  default = 768
}

job "rallly" {
  id   = "${var.job_id}"
  type = "service"

  # Database migrations can take a while.
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

    service {
      name     = var.job_id
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/api/status"
        interval = "10s"
        timeout  = "5s"
      }
    }

    task "rallly" {
      driver = "docker"

      config {
        image = "docker.io/lukevella/rallly:4.12.3"
        ports = ["http"]
        init  = true # the image starts through a shell script, which forwards no signals
      }

      env {
        PORT                    = "3000"
        NEXT_PUBLIC_BASE_URL    = var.url
        NEXT_TELEMETRY_DISABLED = "1"
        MODERATION_ENABLED      = "false" # else it sends polls to OpenAI
        # The image checks for new versions at this required address: use one that leads nowhere.
        API_BASE_URL = "https://updates.invalid"
      }

      # User input and secrets are quoted as JSON, which env files accept. Only the contact has an account: upstream
      # charges for more, and registration would be open to everybody.
      template {
        destination = "secrets/rallly.env"
        env         = true
        data        = <<-EOT
          {{ with nomadVar "nomad/jobs/${var.job_id}" -}}
          SECRET_PASSWORD={{ .secret_password.Value | toJSON }}
          ALLOWED_EMAILS={{ .email.Value | toJSON }}
          INITIAL_ADMIN_EMAIL={{ .email.Value | toJSON }}
          SUPPORT_EMAIL={{ .email.Value | toJSON }}
          NOREPLY_EMAIL={{ .smtp_from.Value | toJSON }}
          NOREPLY_EMAIL_NAME={{ .title.Value | toJSON }}
          SMTP_HOST={{ .smtp_host.Value | toJSON }}
          SMTP_PORT={{ .smtp_port.Value | toJSON }}
          SMTP_SECURE="{{ if eq .smtp_port.Value "465" }}true{{ else }}false{{ end }}"
          SMTP_REJECT_UNAUTHORIZED="true"
          SMTP_USER={{ .smtp_user.Value | toJSON }}
          SMTP_PWD={{ .smtp_password.Value | toJSON }}
          {{- $account := printf "%s:%s" (.db_user.Value | urlquery) (.db_password.Value | urlquery) }}
          {{- $server := printf "%s:%s" .db_host.Value .db_port.Value }}
          DATABASE_URL={{ printf "postgresql://%s@%s/%s" $account $server (.db_name.Value | urlquery) | toJSON }}
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
